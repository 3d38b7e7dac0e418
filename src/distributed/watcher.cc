#include "distributed/watcher.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "distributed/board_layout.h"
#include "distributed/process.h"

namespace colossus::distributed {
namespace {

// How long a thread that waits for a mutex may not notice that it is to end.
constexpr long kLifeWaitNanoseconds = 50'000'000;

bool is_active(SlotState state) {
  return state == SlotState::kJoining || state == SlotState::kPrepared ||
         state == SlotState::kRunning;
}

// Locks, or returns ETIMEDOUT after a while.
int lock_life(pthread_mutex_t& life) {
  timespec until = {};
  ::clock_gettime(CLOCK_MONOTONIC, &until);
  until.tv_nsec += kLifeWaitNanoseconds;
  if (until.tv_nsec >= 1'000'000'000) {
    until.tv_nsec -= 1'000'000'000;
    ++until.tv_sec;
  }
  return ::pthread_mutex_clocklock(&life, CLOCK_MONOTONIC, &until);
}

// One rank that is watched.
struct Watch {
  Watch(int slot, std::optional<Process> process)
      : slot(slot), process(std::move(process)) {}

  const int slot;
  const std::optional<Process> process;  // none: a thread
  std::thread life;  // waits for the slot's mutex once it is held
  std::atomic<bool> lost{false};
  std::atomic<bool> seated{false};
  LossKind how = LossKind::kKilled;
  double last_sign_seconds = 0;  // of steady time, once it is lost
  // Of the thread that looks alone.
  uint64_t beats = 0;
  uint64_t state = 0;
  double still_seconds = 0;
};

}  // namespace

// Three kinds of threads, so that none holds up another: `look` (beats, pidfds,
// new seats), a `wait_for_life` for each rank, and `tell` (fences, on_lost).
class Watcher::State {
 public:
  State(Board& board, const WatcherOptions& options,
        std::function<void(const Loss&)> on_lost)
      : board_(board),
        options_(options),
        on_lost_(std::move(on_lost)),
        wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (wake_ < 0) throw run_error("cannot make an event descriptor");
    looker_ = std::thread([this] { look(); });
    teller_ = std::thread([this] { tell(); });
  }

  ~State() {
    {
      std::lock_guard lock(mutex_);
      stop_ = true;
    }
    to_tell_.notify_all();
    wake_looker();
    looker_.join();
    teller_.join();
    for (const auto& watch : watches_) {
      if (watch->life.joinable()) watch->life.join();
    }
    ::close(wake_);
  }

  void watch(int slot, std::optional<Process> process) {
    board_.slot_data(slot);  // a CHECK of the number
    auto watch = std::make_unique<Watch>(slot, std::move(process));
    {
      std::lock_guard lock(mutex_);
      watches_.push_back(std::move(watch));
    }
    wake_looker();
  }

  const Board& board() const { return board_; }

 private:
  void wake_looker() const {
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = ::write(wake_, &one, sizeof one);
  }

  // Waits for a pidfd or for the time to look at beats.
  void wait_to_look() {
    std::vector<pollfd> polls = {{wake_, POLLIN, 0}};
    {
      std::lock_guard lock(mutex_);
      for (const auto& watch : watches_) {
        if (watch->lost || !watch->process.has_value()) continue;
        polls.push_back({watch->process->pidfd(), POLLIN, 0});
      }
    }
    ::poll(polls.data(), polls.size(),
           static_cast<int>(options_.look_seconds * 1000));
    uint64_t count = 0;
    [[maybe_unused]] const ssize_t got = ::read(wake_, &count, sizeof count);
  }

  void look() {
    double before = real_clock().steady_seconds();
    while (!stop_) {
      wait_to_look();
      const double now = real_clock().steady_seconds();
      // What is more than this was the watcher's own sleep, in which the ranks
      // may have slept too.
      const double seconds = std::min(now - before, 2 * options_.look_seconds);
      before = now;
      std::lock_guard lock(mutex_);
      for (const auto& watch : watches_) {
        if (!watch->lost) look_at(*watch, seconds);
      }
    }
  }

  void look_at(Watch& watch, double seconds) {
    SlotReport report;
    try {
      report = board_.report(watch.slot);
    } catch (const RunError&) {
      lose(watch, LossKind::kHung);
      return;
    }
    if (!watch.seated) seat(watch, report);
    if (watch.process.has_value() && watch.process->ended()) {
      const bool left = watch.seated && !is_active(report.state);
      lose(watch, left ? LossKind::kClosed : LossKind::kKilled);
      return;
    }
    if (watch.seated) look_at_beats(watch, report, seconds);
  }

  // Starts to wait for the mutex, as soon as the rank must hold it.
  void seat(Watch& watch, const SlotReport& report) {
    const pid_t pid =
        watch.process.has_value() ? watch.process->pid() : ::getpid();
    if (report.pid != pid || report.lost || report.state == SlotState::kEmpty) {
      return;
    }
    watch.seated = true;
    watch.life = std::thread([this, &watch] { wait_for_life(watch); });
  }

  void look_at_beats(Watch& watch, const SlotReport& report, double seconds) {
    const uint64_t state = static_cast<uint64_t>(report.state) +
                           256 * static_cast<uint64_t>(report.number);
    const bool judged = report.state == SlotState::kPrepared ||
                        report.state == SlotState::kRunning;
    if (!judged || report.beats != watch.beats || state != watch.state) {
      watch.beats = report.beats;
      watch.state = state;
      watch.still_seconds = 0;
      return;
    }
    watch.still_seconds += seconds;
    if (watch.still_seconds >
        (report.away ? options_.away_seconds : options_.hang_seconds)) {
      lose(watch, LossKind::kHung);
    }
  }

  void wait_for_life(Watch& watch) {
    pthread_mutex_t& life = board_.slot_data(watch.slot).life;
    int error = ETIMEDOUT;
    while (error == ETIMEDOUT) {
      if (stop_ || watch.lost) return;
      error = lock_life(life);
    }
    lose_locking(watch, error == 0 ? LossKind::kClosed : LossKind::kKilled);
    // Not unlocked: the end of this thread gives the mutex on as its rank's end
    // did. (The thread sanitizer does not see pthread_mutex_clocklock and would
    // take an unlock for a bug.)
  }

  // The urgent part: peers let go. A rank that is done left with its peers'
  // agreement, and they may be at their last work still.
  void announce(const Watch& watch, LossKind how) {
    if (!watch.seated) return;
    const auto state =
        static_cast<SlotState>(board_.slot_data(watch.slot).state.load() % 256);
    if (how != LossKind::kClosed || state != SlotState::kDone) {
      board_.mark_lost(watch.slot);
    }
  }

  void lose_locking(Watch& watch, LossKind how) {
    if (!watch.lost) announce(watch, how);  // before any lock of ours
    std::lock_guard lock(mutex_);
    lose(watch, how);
  }

  void lose(Watch& watch, LossKind how) {
    if (watch.lost) return;
    announce(watch, how);
    watch.how = how;
    watch.last_sign_seconds = real_clock().steady_seconds();
    if (how == LossKind::kHung) watch.last_sign_seconds -= watch.still_seconds;
    watch.lost = true;
    losses_.push_back(&watch);
    to_tell_.notify_all();
  }

  void tell() {
    std::unique_lock lock(mutex_);
    for (;;) {
      to_tell_.wait(lock, [&] { return stop_ || !losses_.empty(); });
      if (stop_) return;
      Watch& watch = *losses_.front();
      losses_.pop_front();
      lock.unlock();
      const Loss loss = finish(watch);
      on_lost_(loss);
      lock.lock();
    }
  }

  // Ends the process and forgets the watch.
  Loss finish(Watch& watch) {
    Loss loss;
    loss.slot = watch.slot;
    loss.how = watch.how;
    if (watch.seated) loss.rank = board_.slot_data(watch.slot).rank.load();
    if (watch.process.has_value()) {
      const Process& process = *watch.process;
      loss.pid = process.pid();
      if (watch.how == LossKind::kClosed) {
        process.wait_quiet(options_.leave_seconds);
      }
      // Always: a dead main thread may have left others that work.
      process.kill();
      loss.fenced = process.wait_quiet(options_.fence_seconds);
    }
    if (watch.life.joinable()) watch.life.join();
    loss.silent_seconds =
        real_clock().steady_seconds() - watch.last_sign_seconds;
    std::lock_guard lock(mutex_);
    std::erase_if(watches_,
                  [&](const auto& own) { return own.get() == &watch; });
    return loss;
  }

  Board& board_;
  const WatcherOptions options_;
  const std::function<void(const Loss&)> on_lost_;
  const int wake_;
  std::atomic<bool> stop_{false};
  std::mutex mutex_;  // guards what follows
  std::vector<std::unique_ptr<Watch>> watches_;
  std::deque<Watch*> losses_;
  std::condition_variable to_tell_;
  std::thread looker_, teller_;
};

Watcher::Watcher(Board& board, const WatcherOptions& options,
                 std::function<void(const Loss&)> on_lost)
    : state_(std::make_unique<State>(board, options, std::move(on_lost))) {}

Watcher::~Watcher() = default;

void Watcher::watch_child(int slot, pid_t pid) {
  state_->watch(slot, Process::child(pid));
}

void Watcher::adopt(int slot) {
  const Board& board = state_->board();
  const pid_t pid = board.report(slot).pid;
  state_->watch(slot, Process::mapping(pid, board.memory()));
}

void Watcher::watch_thread(int slot) { state_->watch(slot, std::nullopt); }

}  // namespace colossus::distributed
