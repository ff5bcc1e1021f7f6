#include "engine/comm/peers.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "engine/comm/messages.h"

namespace bauta {
namespace {

class PeerMessages final : public Messages {
 public:
  PeerMessages(int rank, std::vector<FileDescriptor> connections)
      : rank_(rank), connections_(std::move(connections)) {}

  Result<Place> open() override { return Place{rank_, static_cast<int>(connections_.size())}; }

  Status exchange(int partner, std::span<const std::byte> out, std::span<std::byte> in) override {
    const int socket = connections_[static_cast<std::size_t>(partner)].get();
    while (!out.empty() || !in.empty()) {
      const int events = (out.empty() ? 0 : POLLOUT) | (in.empty() ? 0 : POLLIN);
      pollfd entry{socket, static_cast<short>(events), 0};
      ::poll(&entry, 1, -1);
      const bool sent = out.empty() || advance(out, ::send(socket, out.data(), out.size(), kFlags));
      const bool received = in.empty() || advance(in, ::recv(socket, in.data(), in.size(), kFlags));
      if (!sent || !received) {
        return Status::fault("rank " + std::to_string(partner) + " has closed its connection",
                             "rank " + std::to_string(rank_), "see what it said last");
      }
    }
    return {};
  }

 private:
  static constexpr int kFlags = MSG_NOSIGNAL | MSG_DONTWAIT;

  // Leaves the bytes that have still to be moved; false where no more will be.
  template <class Byte>
  static bool advance(std::span<Byte>& bytes, ssize_t moved) {
    if (moved > 0) bytes = bytes.subspan(static_cast<std::size_t>(moved));
    return moved > 0 || (moved < 0 && (errno == EAGAIN || errno == EINTR));
  }

  int rank_;
  std::vector<FileDescriptor> connections_;
};

}  // namespace

Result<std::vector<std::vector<FileDescriptor>>> connect_peers(int ranks) {
  const auto size = static_cast<std::size_t>(ranks);
  std::vector<std::vector<FileDescriptor>> all(size);
  for (std::vector<FileDescriptor>& connections : all) connections.resize(size);
  for (std::size_t r = 0; r < size; ++r) {
    for (std::size_t s = 0; s < r; ++s) {
      std::array<int, 2> pair{};
      if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()) != 0) {
        return file_error("make", "connections between the ranks");
      }
      all[r][s] = FileDescriptor(pair[0]);
      all[s][r] = FileDescriptor(pair[1]);
    }
  }
  return all;
}

Result<std::unique_ptr<Communicator>> open_peers(int rank, std::vector<FileDescriptor> connections) {
  for (const FileDescriptor& connection : connections) {
    if (connection.get() >= 0 && ::fcntl(connection.get(), F_SETFD, FD_CLOEXEC) != 0) {
      return Status::error("descriptor " + std::to_string(connection.get()) + " is no connection to a rank",
                           kPeersVariable, "unset this variable");
    }
  }
  return communicate_by(std::make_unique<PeerMessages>(rank, std::move(connections)));
}

}  // namespace bauta
