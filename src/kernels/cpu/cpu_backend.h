// The CPU's backend: Highway kernels, the instruction set chosen at run time.
#pragma once

#include <memory>
#include <string>

#include "kernels/backend.h"

namespace colossus::kernels {

// The best of what this processor has and the build knows: "avx512", "avx2" or
// "baseline".
std::string best_cpu_target();

// `target`: "auto" or one of the above; UserError if this processor lacks it.
// The target is the process's (Highway keeps it in one place): a second backend
// with another target changes the first one's too. Their bits are the same.
// `num_threads` 0: one a core.
std::unique_ptr<Backend> make_cpu_backend(int num_threads,
                                          const std::string& target = "auto");

}  // namespace colossus::kernels
