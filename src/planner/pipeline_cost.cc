#include "planner/pipeline_cost.h"

#include <algorithm>
#include <cmath>

namespace colossus::planner {
namespace {

// T15: activations forward and gradients backward, 2 bytes an element, once for
// each chunk of a stage. Tensor ranks send a slice each and gather it on the
// other side, or (DeepSpeed) each the whole. Stages within NVLink's reach send
// for nothing, as if they lay side by side: docs/planner.md says why that
// is too little.
double sends(const CostInputs& in) {
  const Layout& layout = in.workload.layout;
  const Machine& machine = *in.workload.machine;
  const auto replica =
      static_cast<double>(layout.tensor * layout.pipeline * layout.context);
  if (layout.pipeline <= 1 || !is_beyond_nvlink(machine, replica)) return 0;
  const LayerShape& a = in.shape;
  const double slices = in.workload.software.sends_slices ? a.t : 1;
  const Link link = network(machine, in.workload.num_devices(), in.calibration);
  const auto chunks = static_cast<double>(layout.virtual_stages);
  const double exposed =
      layout.virtual_stages > 1 ? in.calibration.pipeline_exposed : 1;
  return 2 * send_seconds(2 * a.tok * a.h / slices, link) * chunks * exposed;
}

}  // namespace

StageLayers stage_layers(int64_t num_layers, const Layout& layout) {
  const int64_t stages = layout.pipeline, chunks = layout.num_chunks();
  if (stages == 1) {
    const auto all = static_cast<double>(num_layers);
    return {all, all, all, all};
  }
  const int64_t slots =
      num_layers + (layout.embedding_slot ? 1 : 0) + (layout.head_slot ? 1 : 0);
  const int64_t full = (slots + chunks - 1) / chunks;
  const int64_t rest = slots - full * (chunks - 1);
  const auto slots_of = [&](int64_t stage) {
    if (rest >= 1) {
      const int64_t missing = stage == stages - 1 ? full - rest : 0;
      return full * layout.virtual_stages - missing;
    }
    const int64_t fuller = (slots % chunks + stages - 1 - stage) / stages;
    return slots / chunks * layout.virtual_stages + fuller;
  };
  const int64_t first = slots_of(0), last = slots_of(stages - 1);
  const int64_t second =
      stages == 2 ? last - (layout.head_slot ? 1 : 0) : slots_of(1);
  return {static_cast<double>(first),
          static_cast<double>(first - (layout.embedding_slot ? 1 : 0)),
          static_cast<double>(second),
          static_cast<double>(last - (layout.head_slot ? 1 : 0))};
}

PipelineCost pipeline_cost(const CostInputs& in, double layer, double head) {
  const auto stages = static_cast<double>(in.workload.layout.pipeline);
  const auto chunks = static_cast<double>(in.workload.layout.virtual_stages);
  PipelineCost cost;
  cost.mean_seconds = (in.shape.L * layer + head) / stages;
  if (stages == 1) {
    cost.stage_seconds = cost.mean_seconds;
    return cost;
  }
  const StageLayers& layers = in.workload.stages;
  cost.stage_seconds =
      std::max(layers.heaviest * layer, layers.last * layer + head);
  cost.send_seconds = sends(in);
  cost.bubble_seconds =
      (stages - 1) / chunks * (cost.mean_seconds + cost.send_seconds);
  return cost;
}

}  // namespace colossus::planner
