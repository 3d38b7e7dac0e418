// What every CPU kernel is handed: the threads, and scratch memory for each.
#pragma once

#include <cstdint>
#include <vector>

#include "base/thread_pool.h"

namespace colossus::kernels::cpu {

struct Context {
  ThreadPool& pool;
  // One block a thread, kScratchBytes long, 64-byte aligned, the kernel's own
  // for the length of a call: packing buffers, partial results.
  std::vector<float*> scratch;
};

// Sized for the packing buffers of the products (linear.cc), in L2.
inline constexpr int64_t kScratchBytes = 4 << 20;

}  // namespace colossus::kernels::cpu
