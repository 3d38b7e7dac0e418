#include "planner/sharding_cost.h"

#include <algorithm>

namespace colossus::planner {
namespace {

// Adam: reads weight, gradient and both moments in fp32 (16 bytes), writes
// three (12) and the 16-bit weight (2).
constexpr double kOptimizerBytes = 30;

// Parameters of the mean stage on one rank, and over how many ranks they lie.
struct Shards {
  double parameters;         // without routed experts
  double expert_parameters;  // routed
  double replicas;           // ranks that hold the same parameters
  double expert_replicas;
  Link link;  // between replicas
};

Shards shards_of(const CostInputs& in) {
  const LayerShape& a = in.shape;
  const Layout& layout = in.workload.layout;
  const double layers = a.L / static_cast<double>(layout.pipeline);
  const double tables = layout.pipeline == 1 ? 2 : 1;  // embedding, head
  Shards shards;
  shards.parameters =
      layers * (a.attention_parameters + a.ffn_parameters) / a.t +
      a.V * a.h / a.t * tables;
  shards.expert_parameters = layers * a.local_experts * a.expert_parameters;
  shards.replicas = static_cast<double>(layout.data * layout.context);
  shards.expert_replicas =
      std::max(1.0, shards.replicas * a.t / static_cast<double>(layout.expert));
  shards.link = shared_rings(*in.workload.machine, shards.replicas * a.t, a.t,
                             in.calibration);
  return shards;
}

// T14: per micro-batch a gather before the forward pass, one before the
// backward, a scatter of gradients; each hidden behind the layers, which it
// slows. With a pipeline, or of gradients alone (ZeRO-2), gathered once a step.
void add_fsdp(const CostInputs& in, const LayerCost& layer, double head,
              const Shards& shards, ShardingCost& cost) {
  const Software& software = in.workload.software;
  const Layout& layout = in.workload.layout;
  const bool scatters_once =
      software.fsdp_once_with_pipeline && layout.pipeline > 1;
  const bool gathers_once = scatters_once || layout.zero_stage == 2;
  const double layers =
      layout.pipeline == 1 ? in.shape.L : in.workload.stages.heaviest;
  const double all_gather =
      sharded_seconds(software.fsdp_gather_bytes * shards.parameters,
                      shards.replicas, layers, shards.link);
  const double all_scatter =
      sharded_seconds(software.fsdp_scatter_bytes * shards.parameters,
                      shards.replicas, layers, shards.link);
  const double gather = gathers_once ? 0 : all_gather;
  const double scatter = scatters_once ? 0 : all_scatter;
  const double forward = layers * layer.forward() + head / 3;
  const double backward =
      layers * (layer.backward() + layer.recompute) + head * 2 / 3;
  const double slowdown = in.calibration.fsdp_slowdown;
  cost.micro_batch_seconds = std::max(0.0, gather - forward) +
                             std::max(0.0, gather + scatter - backward) +
                             slowdown * (2 * gather + scatter);
  if (!gathers_once) return;
  cost.step_seconds =
      slowdown * (all_gather + (scatters_once ? all_scatter : 0));
}

// T16: bytes a parameter that replicas exchange: an all-reduce, or with a
// sharded optimizer gradients scattered and 16-bit weights gathered.
double exchanged_bytes(const Workload& workload) {
  const double gradient = workload.software.gradient_bytes;
  if (workload.layout.zero_stage == 0) return 2 * gradient;
  const double reduced =
      workload.software.all_reduces_for_zero1 ? 2 * gradient : gradient;
  return reduced + 2;
}

// T16: experts over their own replicas, which lie apart in the network: an
// all-reduce, or with a sharded optimizer gradients scattered and 16-bit
// weights gathered.
double expert_exchange(const CostInputs& in, const Shards& shards) {
  if (!in.shape.has_experts || shards.expert_replicas <= 1) return 0;
  const Workload& workload = in.workload;
  Link link =
      network(*workload.machine, workload.num_devices(), in.calibration);
  link.bytes_per_second =
      std::min(link.bytes_per_second, shards.link.bytes_per_second);
  const double gradient = workload.software.gradient_bytes;
  const bool shared = workload.layout.zero_stage > 0;
  const double bytes = gradient + (shared ? 2 : gradient);
  return gather_seconds(bytes * shards.expert_parameters,
                        shards.expert_replicas, link);
}

// FSDP shards no experts.
void add_gradients(const CostInputs& in, const Shards& shards,
                   ShardingCost& cost) {
  const Workload& workload = in.workload;
  double seconds = expert_exchange(in, shards);
  if (!workload.is_fully_sharded()) {
    seconds += gather_seconds(exchanged_bytes(workload) * shards.parameters,
                              shards.replicas, shards.link);
  }
  const double exposed = workload.software.overlaps_gradients
                             ? in.calibration.gradient_exposed
                             : 1;
  cost.gradient_seconds = seconds * exposed;
}

}  // namespace

ShardingCost sharding_cost(const CostInputs& in, const LayerCost& layer,
                           double head) {
  const Shards shards = shards_of(in);
  ShardingCost cost;
  if (in.workload.is_fully_sharded()) {
    add_fsdp(in, layer, head, shards, cost);
  }
  add_gradients(in, shards, cost);
  const bool shared = in.workload.layout.zero_stage > 0;
  const double sharing = shared ? shards.replicas : 1;
  const double expert_sharing = shared ? shards.expert_replicas : 1;
  cost.optimizer_seconds = kOptimizerBytes *
                           (shards.parameters / sharing +
                            shards.expert_parameters / expert_sharing) /
                           in.rates.memory;
  return cost;
}

}  // namespace colossus::planner
