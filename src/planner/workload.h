// The one input of the planner's costs: a model, on machines, laid out, trained
// by some software, with a batch. A plain value; references must outlive it.
#pragma once

#include <cstdint>

#include "planner/layout.h"
#include "planner/machine.h"
#include "planner/software.h"
#include "planner/transformer.h"

namespace colossus::planner {

// Decoder layers of stages, MTP's among them.
struct StageLayers {
  double heaviest = 0;  // embedding's slot counted as a layer
  double first = 0;     // without it
  double second = 0;    // the first again, where there is one stage
  double last = 0;      // without the head's slot
};

// Of `num_layers` and the layout's slots, dealt out to chunks as
// layers_of_chunks does.
StageLayers stage_layers(int64_t num_layers, const Layout& layout);

struct Workload {
  const Transformer* model = nullptr;
  const Machine* machine = nullptr;
  Layout layout;
  Recomputation recomputation = Recomputation::kNone;
  Software software;
  Arithmetic arithmetic = Arithmetic::k16Bit;
  StageLayers stages;
  double global_batch_sequences = 0;
  double seq_len = 0;

  double num_devices() const { return static_cast<double>(layout.num_ranks()); }
  // Of a replica a step; at least one, where a batch is less than the replicas.
  double num_micro_batches() const {
    const double batches =
        global_batch_sequences /
        static_cast<double>(layout.data * layout.micro_batch_size);
    return batches < 1 ? 1 : batches;
  }
  // FSDP, whole or of gradients alone (SHARD_GRAD_OP).
  bool is_fully_sharded() const { return layout.zero_stage >= 2; }
};

}  // namespace colossus::planner
