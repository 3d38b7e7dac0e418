// The sign of life that working threads give, and the word that tells them to
// let their work be. Both may lie in memory that other processes share.
#pragma once

#include <atomic>
#include <cstdint>

namespace colossus {

// Thrown, in the thread that called for it, by work that was interrupted. What
// it was to write is undefined then.
class Interrupted {};

class Pulse {
 public:
  // `beats` counts up while work goes on; what it counts does not matter.
  // Work is interrupted while *order differs from `undisturbed`.
  Pulse(std::atomic<uint64_t>& beats, const std::atomic<uint64_t>& order,
        uint64_t undisturbed)
      : beats_(beats), order_(order), undisturbed_(undisturbed) {}

  void beat() { beats_.fetch_add(1, std::memory_order_relaxed); }
  bool interrupted() const {
    return order_.load(std::memory_order_relaxed) != undisturbed_;
  }

 private:
  std::atomic<uint64_t>& beats_;
  const std::atomic<uint64_t>& order_;
  const uint64_t undisturbed_;
};

}  // namespace colossus
