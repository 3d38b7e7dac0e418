// The processor's peak: fused multiply-adds on registers alone, in the
// instruction set that the kernels use now.
#pragma once

#include "base/thread_pool.h"

namespace colossus::kernels::cpu {

// GFLOP/s of all threads of the pool, measured for about `seconds`.
double fma_peak_gflops(ThreadPool& pool, double seconds);

}  // namespace colossus::kernels::cpu
