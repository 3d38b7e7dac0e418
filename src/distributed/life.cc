#include "distributed/life.h"

#include <fcntl.h>
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

// Its own description of the file, so that the lock is this process's alone and
// no child inherits it.
int open_for_lock(const Board& board) {
  const std::string path = fmt::format("/proc/self/fd/{}", board.memory().fd());
  const int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (fd < 0) {
    throw run_error("cannot open the board for its lock: {}",
                    std::strerror(errno));
  }
  return fd;
}

bool lock(int fd, Office office) {
  struct flock range = {};
  range.l_type = F_WRLCK;
  range.l_whence = SEEK_SET;
  range.l_start = static_cast<off_t>(office);
  range.l_len = 1;
  return ::fcntl(fd, F_OFD_SETLK, &range) == 0;
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
  const int fd = open_for_lock(board);
  const double deadline = real_clock().steady_seconds() + patience_seconds;
  while (!lock(fd, office)) {
    if (real_clock().steady_seconds() > deadline) {
      ::close(fd);
      return std::nullopt;
    }
    sleep_for(0.005);
  }
  LifeData& life = life_of(board, office);
  if (life.pid.load() == kLeft) {
    ::close(fd);
    return std::nullopt;
  }
  life.beats.fetch_add(1);
  life.away.store(0);
  life.pid.store(::getpid());
  return OfficeHolder(board, office, fd);
}

OfficeHolder::~OfficeHolder() {
  if (lock_fd_ >= 0) ::close(lock_fd_);
}

OfficeHolder::OfficeHolder(OfficeHolder&& other) noexcept
    : board_(other.board_),
      office_(other.office_),
      lock_fd_(std::exchange(other.lock_fd_, -1)) {}

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
