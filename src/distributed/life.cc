#include "distributed/life.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <set>
#include <utility>

#include "base/clock.h"
#include "base/error.h"
#include "distributed/board_layout.h"
#include "distributed/process.h"

namespace colossus::distributed {
namespace {

constexpr int64_t kLeft = -1;

LifeData& life_of(const Board& board, Office office) {
  return board.data().lives[static_cast<size_t>(office)];
}

// A robust mutex is free when its thread is dead, whatever children of it still
// share: one that never came to its exec, for instance.
bool lock(pthread_mutex_t& held) {
  const int error = ::pthread_mutex_trylock(&held);
  if (error == EOWNERDEAD) ::pthread_mutex_consistent(&held);
  return error == 0 || error == EOWNERDEAD;
}

void sleep_for(double seconds) {
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
}

// A child that ended and was not waited for is dead, too.
bool is_alive(pid_t pid) {
  ::waitpid(pid, nullptr, WNOHANG);
  if (::kill(pid, 0) != 0) return false;
  std::string stat;
  {
    const int fd =
        ::open(fmt::format("/proc/{}/stat", pid).c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    std::array<char, 512> text;
    const ssize_t size = ::read(fd, text.data(), text.size());
    ::close(fd);
    stat.assign(text.data(), static_cast<size_t>(std::max<ssize_t>(0, size)));
  }
  const size_t bracket = stat.rfind(") ");
  return bracket != std::string::npos && bracket + 2 < stat.size() &&
         stat[bracket + 2] != 'Z' && stat[bracket + 2] != 'X';
}

}  // namespace

std::optional<OfficeHolder> OfficeHolder::take(Board& board, Office office,
                                               double patience_seconds) {
  COLOSSUS_CHECK(board.memory().is_private() || ::gettid() == ::getpid(),
                 "an office is taken outside the main thread");
  LifeData& life = life_of(board, office);
  const double deadline = real_clock().steady_seconds() + patience_seconds;
  while (!lock(life.held)) {
    if (real_clock().steady_seconds() > deadline) return std::nullopt;
    sleep_for(0.005);
  }
  OfficeHolder holder(board, office);
  if (life.pid.load() == kLeft) return std::nullopt;
  life.beats.fetch_add(1);
  life.away.store(0);
  life.pid.store(::getpid());
  return holder;
}

OfficeHolder::~OfficeHolder() {
  if (board_ != nullptr) {
    ::pthread_mutex_unlock(&life_of(*board_, office_).held);
  }
}

OfficeHolder::OfficeHolder(OfficeHolder&& other) noexcept
    : board_(std::exchange(other.board_, nullptr)), office_(other.office_) {}

void OfficeHolder::beat() const {
  life_of(*board_, office_).beats.fetch_add(1);
}

void OfficeHolder::set_away(bool away) const {
  life_of(*board_, office_).away.store(away ? 1 : 0);
}

void OfficeHolder::close() const {
  life_of(*board_, office_).pid.store(kLeft);
  board_->nudge();
}

bool is_closed(const Board& board, Office office) {
  return life_of(board, office).pid.load() == kLeft;
}

OfficeKeeper::OfficeKeeper(const Board& board, Office office,
                           const KeeperOptions& options,
                           std::function<pid_t()> start)
    : board_(board),
      office_(office),
      options_(options),
      start_(std::move(start)),
      thread_([this] { watch(); }) {}

OfficeKeeper::~OfficeKeeper() {
  stop_ = true;
  thread_.join();
}

void OfficeKeeper::watch() {
  double before = real_clock().steady_seconds();
  double dead_since = -1, started = -1;
  std::set<pid_t> children;
  while (!stop_) {
    sleep_for(options_.look_seconds);
    const double now = real_clock().steady_seconds();
    const double seconds = std::min(now - before, 2 * options_.look_seconds);
    before = now;
    std::erase_if(children, [](pid_t child) { return !is_alive(child); });
    if (is_closed(board_, office_)) continue;
    if (holder_lives()) {
      dead_since = -1;
      if (stands_still(seconds)) kill_holder();
      continue;
    }
    if (dead_since < 0) dead_since = now;
    const bool tried = started >= 0 && now - started < options_.retry_seconds;
    if (tried || now - dead_since < options_.patience_seconds) continue;
    started = now;
    try {
      children.insert(start_());
    } catch (const RunError&) {
      // Tried again; there is nobody to tell.
    }
  }
}

bool OfficeKeeper::holder_lives() {
  const auto pid = static_cast<pid_t>(life_of(board_, office_).pid.load());
  if (pid <= 0) return false;
  if (pid != pid_) still_seconds_ = 0;
  pid_ = pid;
  return pid != stranger_ && is_alive(pid);
}

bool OfficeKeeper::stands_still(double seconds) {
  const LifeData& life = life_of(board_, office_);
  const uint64_t beats = life.beats.load();
  const bool same = beats == std::exchange(beats_, beats);
  still_seconds_ = same ? still_seconds_ + seconds : 0;
  return still_seconds_ > (life.away.load() != 0 ? options_.away_seconds
                                                 : options_.hang_seconds);
}

// Only a process that maps the board is believed to be its holder; any other
// has the number of one that is dead.
void OfficeKeeper::kill_holder() {
  try {
    Process::mapping(pid_, board_.memory()).kill();
  } catch (const RunError&) {
    stranger_ = pid_;
  }
}

}  // namespace colossus::distributed
