// What the processor can do at most: fused multiply-adds on registers alone,
// in the instruction set that the kernels use now. Shares of peak (MFU) divide
// by it.
#pragma once

namespace colossus {
class ThreadPool;
}

namespace colossus::kernels {

// FLOP/s of all threads of the pool together, over `seconds`.
double measure_fma_peak(ThreadPool& pool, double seconds);

// The median of five short runs on threads of its own: 0.1 s in all. Other
// load on the machine lowers it.
double measure_fma_peak(int num_threads);

}  // namespace colossus::kernels
