#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/io/file.h"
#include "kernels/status.h"

namespace bauta {

/// Where a listening socket can be reached: IPv4 addresses of this machine, "10.0.0.2", and a port.
struct Endpoint {
  std::vector<std::string> addresses;  ///< 127.0.0.1 first
  std::uint16_t port = 0;
};

/// A TCP socket that takes connections at all of this machine's IPv4 addresses, at a port of the system's
/// choice.
struct Listener {
  FileDescriptor socket;
  Endpoint endpoint;
};
Result<Listener> listen_anywhere();

using Milliseconds = std::chrono::milliseconds;

/// Connects to one address; no descriptor (-1) where that fails or takes longer than `limit`.
FileDescriptor connect_to(const std::string& address, std::uint16_t port, Milliseconds limit);

/// The next connection; no descriptor where none comes within `limit`.
FileDescriptor accept_from(const FileDescriptor& listener, Milliseconds limit);

/// Moves all of `bytes`; false where the other side closed, an error came or `limit` passed.
bool send_all(const FileDescriptor&, std::span<const std::byte> bytes, Milliseconds limit);
bool receive_all(const FileDescriptor&, std::span<std::byte> bytes, Milliseconds limit);

}  // namespace bauta
