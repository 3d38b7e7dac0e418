// What the memory can do at most: reads and copies of blocks that no cache
// holds, in huge pages. What streams its operands (decoding, the optimizer, the
// row-wise kernels) is held against it.
#pragma once

#include <cstdint>
#include <memory>

namespace colossus {
class ThreadPool;
}
namespace colossus::tensor {
class Arena;
}

namespace colossus::kernels {

// Owns the block that is read. `pool` must outlive it; one caller at a time.
class MemorySpeed {
 public:
  explicit MemorySpeed(ThreadPool& pool, int64_t bytes = int64_t{512} << 20);
  ~MemorySpeed();

  // Bytes a second of one pass over the block by all threads, the better of
  // two ways to read (one stream a thread, or four side by side).
  double read();
  // The same of a copy of one half onto the other, bytes read and written
  // both counted.
  double copy();

 private:
  double read_streams(int64_t num_streams);

  ThreadPool& pool_;
  std::unique_ptr<tensor::Arena> arena_;
  float* block_;
  int64_t count_;  // floats, a multiple of what one round of all threads takes
};

}  // namespace colossus::kernels
