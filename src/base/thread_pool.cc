#include "base/thread_pool.h"

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/pulse.h"

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace colossus {

void flush_denormals_in_this_thread() {
#if defined(__x86_64__)
  constexpr unsigned kFlushToZero = 0x8000, kDenormalsAreZero = 0x0040;
  _mm_setcsr(_mm_getcsr() | kFlushToZero | kDenormalsAreZero);
#elif defined(__aarch64__)
  uint64_t fpcr;
  asm volatile("mrs %0, fpcr" : "=r"(fpcr));
  asm volatile("msr fpcr, %0" : : "r"(fpcr | (uint64_t{1} << 24)));
#else
#error "say how this processor flushes denormals"
#endif
}

// Threads look for work by spinning a while before they sleep: the gaps between
// the kernels of a step are microseconds, a futex wake is tens of them.
struct ThreadPool::State {
  std::mutex mutex;
  std::condition_variable wake;
  std::atomic<uint64_t> job{0};     // counts the jobs handed out
  std::atomic<int64_t> next{0};     // the next piece to take
  std::atomic<int> num_running{0};  // helpers that have not finished the job
  std::atomic<bool> stop{false};
  Pulse* pulse = nullptr;
  int64_t num_pieces = 0;
  const std::function<void(int64_t, int)>* body = nullptr;
  std::vector<std::thread> threads;

  void take_pieces(int thread) {
    for (;;) {
      const int64_t piece = next.fetch_add(1, std::memory_order_relaxed);
      if (piece >= num_pieces || !beat()) return;
      (*body)(piece, thread);
    }
  }

  // Whether to go on.
  bool beat() {
    if (pulse == nullptr) return true;
    pulse->beat();
    return !pulse->interrupted();
  }
};

namespace {

inline void pause_briefly() {
#if defined(__x86_64__)
  _mm_pause();
#else
  std::this_thread::yield();
#endif
}

constexpr int kSpins = 20000;  // some 0.3 ms

}  // namespace

ThreadPool::ThreadPool(int num_threads)
    : num_threads_(num_threads), state_(std::make_unique<State>()) {
  COLOSSUS_CHECK(num_threads >= 1, "num_threads is {}", num_threads);
  flush_denormals_in_this_thread();
  start_threads();
}

ThreadPool::~ThreadPool() { end_threads(); }

void ThreadPool::resize(int num_threads) {
  COLOSSUS_CHECK(num_threads >= 1, "num_threads is {}", num_threads);
  if (num_threads == num_threads_) return;
  end_threads();
  num_threads_ = num_threads;
  start_threads();
}

void ThreadPool::start_threads() {
  state_->stop = false;
  state_->job = 0;
  for (int thread = 1; thread < num_threads_; ++thread) {
    state_->threads.emplace_back([this, thread] { work(thread); });
  }
}

void ThreadPool::end_threads() {
  {
    std::lock_guard lock(state_->mutex);
    state_->stop = true;
  }
  state_->wake.notify_all();
  for (std::thread& thread : state_->threads) thread.join();
  state_->threads.clear();
}

void ThreadPool::work(int thread) {
  flush_denormals_in_this_thread();
  State& s = *state_;
  uint64_t seen = 0;
  for (;;) {
    for (int spin = 0; spin < kSpins; ++spin) {
      if (s.job.load(std::memory_order_acquire) != seen || s.stop) break;
      pause_briefly();
    }
    if (s.job.load(std::memory_order_acquire) == seen) {
      std::unique_lock lock(s.mutex);
      s.wake.wait(lock, [&] { return s.job != seen || s.stop; });
    }
    if (s.stop) return;
    ++seen;
    s.take_pieces(thread);
    s.num_running.fetch_sub(1, std::memory_order_release);
  }
}

void ThreadPool::set_pulse(Pulse* pulse) { state_->pulse = pulse; }

void ThreadPool::run(int64_t num_pieces,
                     const std::function<void(int64_t, int)>& body) {
  if (num_pieces <= 0) return;
  State& s = *state_;
  if (num_threads_ == 1 || num_pieces == 1) {
    for (int64_t piece = 0; piece < num_pieces; ++piece) {
      if (!s.beat()) throw Interrupted();
      body(piece, 0);
    }
    return;
  }
  {
    std::lock_guard lock(s.mutex);
    s.num_pieces = num_pieces;
    s.body = &body;
    s.next.store(0, std::memory_order_relaxed);
    s.num_running.store(num_threads_ - 1, std::memory_order_relaxed);
    s.job.fetch_add(1, std::memory_order_release);
  }
  s.wake.notify_all();
  s.take_pieces(0);
  // The pieces that are left are short: spin, and give way when there are more
  // threads than cores.
  for (int spin = 0; s.num_running.load(std::memory_order_acquire) != 0;
       ++spin) {
    if (spin < kSpins) {
      pause_briefly();
    } else {
      std::this_thread::yield();
    }
  }
  if (s.pulse != nullptr && s.pulse->interrupted()) throw Interrupted();
}

}  // namespace colossus
