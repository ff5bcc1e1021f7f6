#pragma once

#include <memory>
#include <vector>

#include "engine/comm/communicator.h"
#include "engine/io/file.h"

namespace bauta {

/// The environment variable by which the process that starts ranks on its own host tells one of them where it
/// stands: "1 5 -1 6", its number and its connection to each rank, an inherited descriptor (-1 to itself).
inline constexpr const char* kPeersVariable = "BAUTA_PEERS";

/// Connections between the processes of one host, before they are started: of rank r to rank s [r][s], none
/// (-1) to itself. Nobody inherits them unless told to.
Result<std::vector<std::vector<FileDescriptor>>> connect_peers(int ranks);

/// A communicator over such connections. A rank that is gone is an error, at once.
Result<std::unique_ptr<Communicator>> open_peers(int rank, std::vector<FileDescriptor> connections);

}  // namespace bauta
