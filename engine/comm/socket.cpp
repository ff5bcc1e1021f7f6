#include "engine/comm/socket.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <system_error>

namespace bauta {
namespace {

using Clock = std::chrono::steady_clock;

sockaddr_in ipv4(in_addr address, std::uint16_t port) {
  sockaddr_in result{};
  result.sin_family = AF_INET;
  result.sin_addr = address;
  result.sin_port = htons(port);
  return result;
}

std::vector<std::string> own_addresses() {
  std::vector<std::string> addresses = {"127.0.0.1"};
  ifaddrs* all = nullptr;
  if (::getifaddrs(&all) != 0) return addresses;
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> owned(all, ::freeifaddrs);
  for (const ifaddrs* one = all; one != nullptr; one = one->ifa_next) {
    if (one->ifa_addr == nullptr || one->ifa_addr->sa_family != AF_INET) continue;
    std::array<char, INET_ADDRSTRLEN> text{};
    const auto* address = reinterpret_cast<const sockaddr_in*>(one->ifa_addr);
    if (::inet_ntop(AF_INET, &address->sin_addr, text.data(), text.size()) == nullptr) continue;
    if (text.data() != addresses.front()) addresses.emplace_back(text.data());
  }
  return addresses;
}

Status socket_error(const char* verb) {
  return Status::error(std::string("cannot ") + verb + ": " + std::generic_category().message(errno),
                       "sockets of the ranks", "check that this machine lets programs use TCP");
}

// Waits until the socket is ready for `events`; false when `until` passes first.
bool ready(const FileDescriptor& socket, short events, Clock::time_point until) {
  for (;;) {
    const auto left =
        std::max(Milliseconds(0), std::chrono::duration_cast<Milliseconds>(until - Clock::now()));
    pollfd entry{socket.get(), events, 0};
    const int count = ::poll(&entry, 1, static_cast<int>(left.count()));
    if (count >= 0) return count > 0;
    if (errno != EINTR) return false;
  }
}

// Applies `move` (send or receive) until all bytes have moved.
template <class Byte, class Move>
bool move_all(const FileDescriptor& socket, std::span<Byte> bytes, Milliseconds limit, short events,
              Move move) {
  const auto until = Clock::now() + limit;
  while (!bytes.empty()) {
    if (!ready(socket, events, until)) return false;
    const ssize_t moved = move(bytes);
    if (moved < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (moved <= 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(moved));
  }
  return true;
}

void send_at_once(const FileDescriptor& socket) {
  const int on = 1;
  ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

}  // namespace

Result<Listener> listen_anywhere() {
  FileDescriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (socket.get() < 0) return socket_error("make a socket");
  sockaddr_in address = ipv4({htonl(INADDR_ANY)}, 0);
  socklen_t size = sizeof(address);
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0 ||
      ::listen(socket.get(), SOMAXCONN) != 0 ||
      ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    return socket_error("listen");
  }
  return Listener{std::move(socket), {own_addresses(), ntohs(address.sin_port)}};
}

FileDescriptor connect_to(const std::string& address, std::uint16_t port, Milliseconds limit) {
  in_addr parsed{};
  if (::inet_pton(AF_INET, address.c_str(), &parsed) != 1) return {};
  const sockaddr_in target = ipv4(parsed, port);
  FileDescriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (socket.get() < 0) return {};
  const int begun = ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&target), sizeof(target));
  if (begun != 0 && errno != EINPROGRESS) return {};
  int error = 0;
  socklen_t size = sizeof(error);
  if (!ready(socket, POLLOUT, Clock::now() + limit) ||
      ::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0) {
    return {};
  }
  send_at_once(socket);
  return socket;
}

FileDescriptor accept_from(const FileDescriptor& listener, Milliseconds limit) {
  if (!ready(listener, POLLIN, Clock::now() + limit)) return {};
  FileDescriptor socket(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (socket.get() >= 0) send_at_once(socket);
  return socket;
}

bool send_all(const FileDescriptor& socket, std::span<const std::byte> bytes, Milliseconds limit) {
  return move_all(socket, bytes, limit, POLLOUT, [&](std::span<const std::byte> rest) {
    return ::send(socket.get(), rest.data(), rest.size(), MSG_NOSIGNAL);
  });
}

bool receive_all(const FileDescriptor& socket, std::span<std::byte> bytes, Milliseconds limit) {
  return move_all(socket, bytes, limit, POLLIN, [&](std::span<std::byte> rest) {
    return ::recv(socket.get(), rest.data(), rest.size(), 0);
  });
}

}  // namespace bauta
