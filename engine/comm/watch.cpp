#include "engine/comm/watch.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <random>

namespace bauta {
namespace {

using namespace std::chrono_literals;

constexpr auto kBeat = 1s;         // between heartbeats
constexpr auto kSilence = 10s;     // after which a member is given up
constexpr auto kGrace = 3s;        // that lower ranks have to say why the run ends
constexpr auto kLook = 200ms;      // between two looks at the clock
constexpr auto kAsleep = 5s;       // a longer pause in the loop: this process was stopped, not the others
constexpr auto kConnect = 2s;      // for one address
constexpr auto kHello = 2s;        // for a hello and its answer
constexpr auto kDelivery = 100ms;  // for last words to be heard before the connection breaks
constexpr std::size_t kMaxCallers = 64;  // that are heard at a time; others wait to be let in

// What is said on a connection after the hello, a byte each.
constexpr char kWelcome = 'w';
constexpr char kAlive = 'a';
constexpr char kBye = 'b';
constexpr char kEnd = 'e';  // the run is over, and I say why

std::uint64_t random_token() {
  std::random_device device;
  return (std::uint64_t{device()} << 32) | device();
}

// "token port address address ..."
std::string to_text(std::uint64_t token, const Endpoint& endpoint) {
  std::string text = std::to_string(token) + " " + std::to_string(endpoint.port);
  for (const std::string& address : endpoint.addresses) text += " " + address;
  return text;
}

struct Invitation {
  std::uint64_t token = 0;
  Endpoint endpoint;
};

Result<Invitation> from_text(const std::string& text) {
  Invitation invitation;
  const char* const end = text.data() + text.size();
  auto parsed = std::from_chars(text.data(), end, invitation.token);
  if (parsed.ec == std::errc() && parsed.ptr != end) {
    parsed = std::from_chars(parsed.ptr + 1, end, invitation.endpoint.port);
  }
  if (parsed.ec != std::errc()) {
    return Status::error("'" + text + "' is no invitation to a run", "BAUTA_STARTER", "unset this variable");
  }
  for (const char* at = parsed.ptr; at != end;) {
    const char* next = std::find(at + 1, end, ' ');
    invitation.endpoint.addresses.emplace_back(at + 1, next);
    at = next;
  }
  return invitation;
}

template <class T>
std::span<std::byte> bytes_of(T& value) {
  return std::as_writable_bytes(std::span(&value, 1));
}

}  // namespace

/// The first words of a connection, from the member that made it.
struct Watch::Hello {
  std::uint64_t token = 0;
  std::int32_t from = 0;
  std::int32_t to = 0;
  std::array<char, 64> host{};
};

/// A connection that has come and not said who it is from.
struct Watch::Caller {
  FileDescriptor socket;
  Clock::time_point since;
  Hello hello;
  std::size_t heard = 0;  // bytes of the hello
};

Watch::Watch(int self, int ranks, Listener listener, Options options)
    : self_(self),
      listener_(std::move(listener)),
      options_(std::move(options)),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  members_.resize(static_cast<std::size_t>(ranks) + 1);
  for (int rank = 0; rank < ranks; ++rank)
    members_[static_cast<std::size_t>(rank)].name = "rank " + std::to_string(rank);
  members_.back().name = "the process that started the ranks";
  members_.back().host = host_name();
}

Result<std::unique_ptr<Watch>> Watch::start(int ranks, Options options) {
  auto listener = listen_anywhere();
  if (!listener.ok()) return listener.status();
  std::unique_ptr<Watch> watch(new Watch(ranks, ranks, std::move(*listener), std::move(options)));
  watch->token_ = random_token();
  watch->begin();
  return watch;
}

Result<std::unique_ptr<Watch>> Watch::join(Communicator& communicator, Options options) {
  auto listener = listen_anywhere();
  BAUTA_TRY(agree(communicator, listener.status()));
  const std::string own = to_text(random_token(), listener->endpoint);
  const auto invitations = communicator.all_gather(own);
  if (!invitations.ok()) return invitations.status();
  std::unique_ptr<Watch> watch(
      new Watch(communicator.rank(), communicator.size(), std::move(*listener), std::move(options)));
  watch->activity_ = &communicator.activity();
  BAUTA_TRY(agree(communicator, watch->connect_to_others(communicator.hosts(), *invitations)));
  return watch;
}

// To the lower ranks, which then take in this one, and to the starter, whose token is the run's, or else rank
// 0's.
Status Watch::connect_to_others(const std::vector<std::string>& hosts,
                                const std::vector<std::string>& invitations) {
  const std::string& starter = options_.starter;
  const auto first = from_text(starter.empty() ? invitations.front() : starter);
  if (!first.ok()) return first.status();
  token_ = first->token;
  Status status;
  for (std::size_t rank = 0; rank < hosts.size(); ++rank) {
    members_[rank].host = hosts[rank];
    const auto invitation = from_text(invitations[rank]);
    if (!invitation.ok()) return invitation.status();
    if (static_cast<int>(rank) < self_ && status.ok())
      status = connect(static_cast<int>(rank), invitation->endpoint);
  }
  if (status.ok() && !starter.empty()) status = connect(static_cast<int>(hosts.size()), first->endpoint);
  begin();
  return status;
}

Status Watch::connect(int to, const Endpoint& endpoint) {
  Member& member = members_[static_cast<std::size_t>(to)];
  Hello hello{token_, self_, to, {}};
  host_name().copy(hello.host.data(), hello.host.size() - 1);
  for (const std::string& address : endpoint.addresses) {
    FileDescriptor socket = connect_to(address, endpoint.port, kConnect);
    char answer = 0;
    if (socket.get() < 0 || !send_all(socket, bytes_of(hello), kHello) ||
        !receive_all(socket, bytes_of(answer), kHello) || answer != kWelcome) {
      continue;
    }
    member.socket = std::move(socket);
    member.heard = Clock::now();
    ++joined_;
    return {};
  }
  return Status::error("cannot reach " + member.name, member.host + ", port " + std::to_string(endpoint.port),
                       "let the hosts of a run connect to each other over TCP at any port");
}

Watch::~Watch() {
  {
    const std::lock_guard lock(mutex_);
    leaving_ = true;
  }
  wake();
  if (thread_.joinable()) thread_.join();
}

std::string Watch::invitation() const { return to_text(token_, listener_.endpoint); }

void Watch::fail(const Status& reason) {
  // What looks like a failure here may be what another's death does: that would be the better reason.
  std::this_thread::sleep_for(kDelivery);
  std::unique_lock lock(mutex_);
  failure_ = reason;
  wake();
  changed_.wait(lock, [&] { return ended_; });
}

void Watch::wait_for_the_others() {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, 2s, [&] { return empty_ || ended_; });
}

void Watch::wake() {
  const std::uint64_t one = 1;
  static_cast<void>(!::write(wake_.get(), &one, sizeof(one)));
}

void Watch::work() {
  auto last_look = Clock::now();
  for (;;) {
    wait_for_news();
    const auto now = Clock::now();
    if (now - last_look > kAsleep) {
      for (Member& member : members_) member.heard = now;
      work_began_ = now;
    }
    last_look = now;
    take_in();
    for (Member& member : members_) read(member);
    if (activity_ != nullptr) look_at_own_work(now);
    if (now >= next_beat_) {
      tell(kAlive);
      next_beat_ = now + kBeat;
    }
    if (over()) break;
  }
  const std::lock_guard lock(mutex_);
  ended_ = true;
  changed_.notify_all();
}

void Watch::wait_for_news() {
  std::vector<pollfd> sockets = {{wake_.get(), POLLIN, 0}};
  if (callers_.size() < kMaxCallers) sockets.push_back({listener_.socket.get(), POLLIN, 0});
  for (const Member& member : members_) {
    if (member.socket.get() >= 0) sockets.push_back({member.socket.get(), POLLIN, 0});
  }
  for (const Caller& caller : callers_) sockets.push_back({caller.socket.get(), POLLIN, 0});
  ::poll(sockets.data(), sockets.size(), static_cast<int>(Milliseconds(kLook).count()));
  std::uint64_t count = 0;
  static_cast<void>(!::read(wake_.get(), &count, sizeof(count)));
}

// Connections that have come. A stranger's may say nothing for as long as it likes: nobody waits for it.
void Watch::take_in() {
  if (callers_.size() < kMaxCallers) {
    FileDescriptor socket = accept_from(listener_.socket, 0ms);
    if (socket.get() >= 0) callers_.push_back({std::move(socket), Clock::now(), {}});
  }
  std::erase_if(callers_, [this](Caller& caller) { return answer(caller); });
}

// Whether the caller need not be heard any more: it is a member now, or none.
bool Watch::answer(Caller& caller) {
  Hello& hello = caller.hello;
  const auto rest = bytes_of(hello).subspan(caller.heard);
  const ssize_t count = ::recv(caller.socket.get(), rest.data(), rest.size(), 0);
  const bool silent = count < 0 && (errno == EAGAIN || errno == EINTR);
  if (count <= 0 && !silent) return true;
  caller.heard += silent ? 0 : static_cast<std::size_t>(count);
  if (caller.heard < sizeof(Hello)) return Clock::now() - caller.since > kHello;
  const bool known =
      hello.token == token_ && hello.to == self_ && hello.from >= 0 && hello.from < std::ssize(members_);
  if (!known) return true;
  Member& member = members_[static_cast<std::size_t>(hello.from)];
  hello.host.back() = '\0';
  if (member.socket.get() < 0)
    ++joined_;  // else it did not hear its welcome in time, and came by another way
  member.host = hello.host.data();
  member.socket = std::move(caller.socket);
  member.heard = Clock::now();
  say(member, kWelcome);
  return true;
}

void Watch::read(Member& member) {
  std::array<char, 64> words;
  while (member.socket.get() >= 0) {
    const ssize_t count = ::recv(member.socket.get(), words.data(), words.size(), 0);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno == EAGAIN) break;
    if (count <= 0) return lose(member, member.name + " died");
    member.heard = Clock::now();
    for (const char word : std::span(words).first(static_cast<std::size_t>(count))) {
      told_ |= word == kEnd;
      if (word == kBye) return part_from(member);
    }
  }
  // The process that started the ranks may be stopped by a person (Ctrl-Z), while they go on.
  const bool is_rank = &member != &members_.back();
  if (is_rank && member.socket.get() >= 0 && Clock::now() - member.heard > kSilence) {
    say(member, kEnd);  // for when it wakes up
    lose(member, member.name + " hangs: nothing was heard of it for " +
                     std::to_string(std::chrono::seconds(kSilence).count()) + " s");
  }
}

void Watch::part_from(Member& member) {
  member.socket = FileDescriptor();
  member.gone = true;
}

void Watch::lose(Member& member, const std::string& how) {
  part_from(member);
  blame(member, how);
}

void Watch::look_at_own_work(Clock::time_point now) {
  const Activity::Kind kind = activity_->kind();
  const std::uint64_t done = activity_->done();
  const auto took = now - work_began_;
  const bool went_on = done != work_done_;
  if (went_on) longest_work_ = std::max(longest_work_, took);
  if (went_on || kind == Activity::Kind::unwatched || activity_->waits_for_others()) {
    work_done_ = done;
    work_began_ = now;
    return;
  }
  Clock::duration limit = done == 0 ? options_.first_work : options_.longest_work;
  limit = std::max(limit, 10 * activity_->times_longer() * longest_work_);
  if (kind == Activity::Kind::waits_for_gpu) limit += limit / 4;
  if (took < limit) return;
  const Member& self = members_[static_cast<std::size_t>(self_)];
  const std::string whose = kind == Activity::Kind::waits_for_gpu ? "its GPU, or another's, " : "it ";
  blame(self, self.name + " hangs: " + whose + "has finished no batch for " +
                  std::to_string(std::chrono::duration_cast<std::chrono::seconds>(limit).count()) + " s");
}

void Watch::blame(const Member& member, const std::string& how) {
  if (!fault_) fault_ = {Status::error(how, "host " + member.host, options_.remedy), Clock::now()};
}

// What is said of a failure of this process's own.
Status Watch::line_of(const Status& own) const {
  const Member& self = members_[static_cast<std::size_t>(self_)];
  const bool named = self_ != 0 || own.is_fault();
  return Status::error((named ? self.name + " on host " + self.host + ": " : "") + own.message() +
                       (own.is_fault() ? "; " + options_.remedy : ""));
}

// A byte always finds room; where it does not, the other side reads nothing and is silent itself.
void Watch::say(const Member& member, char word) {
  if (member.socket.get() >= 0) ::send(member.socket.get(), &word, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

void Watch::tell(char word) {
  for (const Member& member : members_) say(member, word);
}

// Whether this process's part in the watch ends, and what is to be done then.
bool Watch::over() {
  {
    const std::lock_guard lock(mutex_);
    empty_ =
        std::all_of(members_.begin(), members_.end(), [](const Member& m) { return m.socket.get() < 0; });
    changed_.notify_all();
    if (failure_ && !fault_) fault_ = {line_of(*failure_), Clock::now()};
    if (leaving_ && !told_ && !fault_) {
      tell(kBye);
      return true;
    }
  }
  const auto lower = std::span(members_).first(static_cast<std::size_t>(self_));
  const bool lowest = std::all_of(lower.begin(), lower.end(), [](const Member& m) { return m.gone; });
  const bool speaks = !told_ && fault_ && (lowest || Clock::now() - fault_->since > kGrace);
  if (!told_ && !speaks) return false;
  tell(kEnd);
  // Who speaks does it at once: MPI may end this process when it notices, and a launcher that sees a process
  // end ends the others. Who is silent ends last.
  if (!speaks) std::this_thread::sleep_for(3 * kDelivery);
  options_.on_fault(speaks ? fault_->status.message() : "");
  return true;
}

}  // namespace bauta
