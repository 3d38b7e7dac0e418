#include "distributed/seat.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

#include "base/clock.h"
#include "base/error.h"
#include "distributed/board_layout.h"
#include "distributed/futex.h"

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace colossus::distributed {
namespace {

// Longest sleep without a beat; far below what the watcher calls hung.
constexpr double kBeatSeconds = 0.02;
// For a watcher that is about to let go of a dead rank's mutex.
constexpr int kTakeTries = 2000;  // a millisecond each

// Locks the mutex of a slot whose last rank left or died.
void take(pthread_mutex_t& life, int slot) {
  int error = EBUSY;
  for (int i = 0; i < kTakeTries && error == EBUSY; ++i) {
    if (i > 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    error = ::pthread_mutex_trylock(&life);
  }
  if (error == EOWNERDEAD) {
    ::pthread_mutex_consistent(&life);
  } else if (error != 0) {
    throw run_error(
        "slot {} of this machine's board is not free: {}", slot,
        error == EBUSY ? "another rank sits there" : std::strerror(error));
  }
}

inline void pause_briefly() {
#if defined(__x86_64__)
  _mm_pause();
#else
  std::this_thread::yield();
#endif
}

}  // namespace

Seat::Seat(Board& board, int slot, int64_t rank)
    : board_(board), slot_(slot), rank_(rank), data_(board.slot_data(slot)) {
  COLOSSUS_CHECK(board.memory().is_private() || ::gettid() == ::getpid(),
                 "rank {} takes its seat outside the main thread", rank);
  take(data_.life, slot);
  // Numbers of ranks rise.
  const int64_t last = data_.rank.load();
  if (last > rank || (last == rank && data_.lost.load() != 0)) {
    ::pthread_mutex_unlock(&data_.life);
    throw run_error(
        "rank {} comes too late: slot {} was given to rank {} meanwhile, or "
        "was given up",
        rank, slot, last);
  }
  data_.lost.store(0);
  data_.pid.store(::getpid());
  data_.rank.store(rank);
  data_.endpoint.store(0);
  data_.unreachable.store(-1);
  data_.phase.store(0);
  data_.awaited.store(-1);
  data_.away.store(0);
  data_.committed_step.store(0);
  data_.step_seconds.store(0);
  data_.compute_seconds.store(0);
  data_.saved_view.store(0);
  data_.saved_step.store(-1);
  data_.difference.write({});
  data_.recomputed.write({});
  report(SlotState::kJoining, 0);
}

Seat::~Seat() {
  if (!failed_) report(SlotState::kDone, 0);
  ::pthread_mutex_unlock(&data_.life);
}

Pulse Seat::pulse(int64_t number) const {
  return Pulse(data_.beats, board_.order(), order_of(number));
}

void Seat::set_away(bool away) const { data_.away.store(away ? 1 : 0); }

void Seat::beat() const { data_.beats.fetch_add(1, std::memory_order_relaxed); }

bool Seat::in_force(int64_t number) const {
  return board_.order().load() == order_of(number);
}

void Seat::report(SlotState state, int64_t number) {
  beat();
  data_.state.store(static_cast<uint64_t>(number) * 256 +
                    static_cast<uint64_t>(state));
  ring(board_.data().news);
}

void Seat::listens_at(const config::Endpoint& endpoint) {
  data_.endpoint.store(encode_endpoint(endpoint));
}

void Seat::prepared(int64_t number) { report(SlotState::kPrepared, number); }
void Seat::running(int64_t number) { report(SlotState::kRunning, number); }

void Seat::cannot_reach(int64_t peer) const {
  data_.unreachable.store(peer);
  ring(board_.data().news);
}

void Seat::failed(const std::string& why) {
  data_.text.fill(0);
  std::memcpy(data_.text.data(), why.data(),
              std::min(why.size(), data_.text.size() - 1));
  failed_ = true;
  report(SlotState::kFailed, 0);
}

void Seat::record_step(int64_t committed_step, double step_seconds,
                       double compute_seconds) {
  data_.committed_step.store(committed_step);
  data_.step_seconds.store(step_seconds);
  data_.compute_seconds.store(compute_seconds);
}

void Seat::record_saved(int64_t view, int64_t step) {
  data_.saved_step.store(step);
  data_.saved_view.store(view);
  ring(board_.data().news);
}

void Seat::differs(const FoundDifference& found) {
  data_.difference.write(found);
  ring(board_.data().news);
}

void Seat::recomputed(const RecomputedGradient& gradient) {
  data_.recomputed.write(gradient);
  ring(board_.data().news);
}

std::optional<Posted> Seat::wait_posted(uint64_t seen, double seconds) const {
  const auto newer = [&] { return board_.sequence() != seen; };
  if (!wait(-1, 0, seconds, newer)) return std::nullopt;
  return board_.posted();
}

bool Seat::wait(int awaited, int spins, double seconds,
                const std::function<bool()>& ready) const {
  beat();
  for (int spin = 0; spin < spins; ++spin) {
    if (ready()) return true;
    pause_briefly();
  }
  const double deadline = real_clock().steady_seconds() + seconds;
  for (;;) {
    // First the bell, then who is waited for, then the look: whoever makes
    // `ready` true afterwards sees `awaited` and rings, and the bell's new
    // value ends the sleep before it begins.
    const uint32_t bell = data_.doorbell.load();
    data_.awaited.store(awaited);
    if (ready()) break;
    const double left = deadline - real_clock().steady_seconds();
    if (left <= 0) {
      data_.awaited.store(-1);
      return false;
    }
    futex_wait(data_.doorbell, bell, std::min(left, kBeatSeconds));
    beat();
  }
  data_.awaited.store(-1);
  return true;
}

}  // namespace colossus::distributed
