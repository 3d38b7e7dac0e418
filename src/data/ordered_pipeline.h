// One thread produces jobs, several transform them, the caller consumes the
// results in the order of the jobs. What is in flight is bounded by weight, so
// memory does not grow with the input, and the results do not depend on
// threads.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace colossus::data {

template <typename Job, typename Result>
class OrderedPipeline {
 public:
  struct Steps {
    std::function<bool(Job&)> produce;  // false = no more; its own thread
    std::function<size_t(const Job&)> weight;
    std::function<Result(Job&, int thread)> transform;
    std::function<void(Result&)> consume;  // in the caller's thread
  };

  OrderedPipeline(int num_threads, size_t max_weight, Steps steps)
      : num_threads_(num_threads),
        max_weight_(max_weight),
        steps_(std::move(steps)) {}

  // Returns when all is consumed. What a step throws is thrown here, after the
  // results before it were consumed. To be called once.
  void run() {
    std::vector<std::thread> threads;
    threads.emplace_back([this] { produce_all(); });
    for (int i = 0; i < num_threads_; ++i) {
      threads.emplace_back([this, i] { transform_all(i); });
    }
    std::exception_ptr error;
    try {
      while (consume_one()) {
      }
    } catch (...) {
      error = std::current_exception();
    }
    cancel();
    for (std::thread& thread : threads) thread.join();
    if (error) std::rethrow_exception(error);
  }

 private:
  struct Slot {
    Job job;
    Result result;
    size_t weight = 0;
    std::exception_ptr error;
    bool done = false;
  };

  void produce_all() {
    bool more = true;
    while (more) {
      auto slot = std::make_unique<Slot>();
      try {
        more = steps_.produce(slot->job);
        if (more) slot->weight = steps_.weight(slot->job);
      } catch (...) {
        slot->error = std::current_exception();
        slot->done = true;
      }
      const bool failed = slot->error != nullptr;
      if ((more || failed) && !push(std::move(slot))) return;
      if (failed) break;
    }
    std::lock_guard lock(mutex_);
    all_produced_ = true;
    changed_.notify_all();
  }

  // Waits for room; false if the pipeline was cancelled.
  bool push(std::unique_ptr<Slot> slot) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] {
      return cancelled_ || weight_ == 0 ||
             weight_ + slot->weight <= max_weight_;
    });
    if (cancelled_) return false;
    weight_ += slot->weight;
    if (!slot->done) waiting_.push_back(slot.get());
    slots_.push_back(std::move(slot));
    changed_.notify_all();
    return true;
  }

  void transform_all(int thread) {
    while (Slot* slot = take_waiting()) {
      try {
        slot->result = steps_.transform(slot->job, thread);
      } catch (...) {
        slot->error = std::current_exception();
      }
      std::lock_guard lock(mutex_);
      slot->done = true;
      changed_.notify_all();
    }
  }

  Slot* take_waiting() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] {
      return cancelled_ || all_produced_ || !waiting_.empty();
    });
    if (cancelled_ || waiting_.empty()) return nullptr;
    Slot* slot = waiting_.front();
    waiting_.pop_front();
    return slot;
  }

  bool consume_one() {
    std::unique_ptr<Slot> slot;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] {
        return slots_.empty() ? all_produced_ : slots_.front()->done;
      });
      if (slots_.empty()) return false;
      slot = std::move(slots_.front());
      slots_.pop_front();
    }
    if (slot->error) std::rethrow_exception(slot->error);
    steps_.consume(slot->result);
    std::lock_guard lock(mutex_);
    weight_ -= slot->weight;
    changed_.notify_all();
    return true;
  }

  void cancel() {
    std::lock_guard lock(mutex_);
    cancelled_ = true;
    changed_.notify_all();
  }

  const int num_threads_;
  const size_t max_weight_;
  const Steps steps_;

  std::mutex mutex_;  // guards all below
  std::condition_variable changed_;
  std::deque<std::unique_ptr<Slot>> slots_;  // in order, until consumed
  std::deque<Slot*> waiting_;                // for a transforming thread
  size_t weight_ = 0;
  bool all_produced_ = false;
  bool cancelled_ = false;
};

}  // namespace colossus::data
