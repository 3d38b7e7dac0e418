// M1 to M6: memory of the heaviest rank: of the first stage, which holds the
// most micro-batches, the second, where the first has a layer less, or the
// last, which holds the logits. Formulas and sources stand in docs/planner.md.
#pragma once

#include <array>

#include "planner/calibration.h"
#include "planner/workload.h"

namespace colossus::planner {

// Bytes.
struct MemoryUse {
  double states = 0;       // M1: weights, gradients, optimizer
  double gathered = 0;     // M2: weights of FSDP, whole for a while
  double activations = 0;  // M3: kept for the backward pass
  double live = 0;         // M3, M4: of the layer or the logits at work
  double buffers = 0;      // M5: of communication
  double reserve = 0;      // M6: what the allocator keeps beyond
  double fragments = 0;    // M6: of the reserve, what it cannot give back
  double contexts = 0;     // M6: of CUDA, NCCL, cuBLAS; not the allocator's

  double allocated() const {
    return states + gathered + activations + live + buffers;
  }
  // What the framework itself reports.
  double reserved() const { return allocated() + reserve; }
  // What nvidia-smi shows.
  double on_device() const { return reserved() + contexts; }
  // What must fit: under pressure the allocator gives its reserve back, but for
  // fragments.
  double needed() const { return allocated() + fragments + contexts; }
};

// What `needed` is the sum of, as people read it.
struct MemoryPart {
  const char* name;
  double MemoryUse::*bytes;
};
inline constexpr std::array kMemoryParts{
    MemoryPart{"weights, gradients, optimizer", &MemoryUse::states},
    MemoryPart{"gathered weights", &MemoryUse::gathered},
    MemoryPart{"activations kept", &MemoryUse::activations},
    MemoryPart{"layer or logits at work", &MemoryUse::live},
    MemoryPart{"communication buffers", &MemoryUse::buffers},
    MemoryPart{"fragments", &MemoryUse::fragments},
    MemoryPart{"contexts of CUDA, NCCL", &MemoryUse::contexts}};

// Allocates nothing.
MemoryUse memory_use(const Workload& workload, const Calibration& calibration);

// A bound: no way to deal layers out to this many stages, with any slots and
// any virtual stages, needs less. `workload.stages` is not read.
double least_needed_bytes(const Workload& workload,
                          const Calibration& calibration);

}  // namespace colossus::planner
