// A fixed set of threads that run the pieces of one job at a time.
//
// Which thread runs which piece is not fixed, so a piece must not depend on it:
// each output element is written by exactly one piece.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

namespace colossus {

class Pulse;

class ThreadPool {
 public:
  // `num_threads` >= 1 counts the caller, who works too.
  explicit ThreadPool(int num_threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int num_threads() const { return num_threads_; }

  // From now on; not during `run`. The threads are started anew.
  void resize(int num_threads);

  // From now on every piece beats first, or is left out once the pulse is
  // interrupted; null: neither. Must outlive its use; not during `run`.
  void set_pulse(Pulse* pulse);

  // Calls body(piece, thread) for every piece in [0, num_pieces), each once,
  // and returns when all are done. `thread` is in [0, num_threads()) and names
  // scratch memory. One caller at a time. `body` must not throw. Throws
  // Interrupted, when no thread is at a piece any more.
  void run(int64_t num_pieces,
           const std::function<void(int64_t piece, int thread)>& body);

 private:
  struct State;
  void work(int thread);
  void start_threads();
  void end_threads();

  int num_threads_;
  std::unique_ptr<State> state_;
};

// Sets this thread to flush denormals to zero, results and inputs alike: the
// one rule for all arithmetic that reaches a weight. ThreadPool's threads do it
// themselves; so must every other thread that calls a kernel.
void flush_denormals_in_this_thread();

}  // namespace colossus
