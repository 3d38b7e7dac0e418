#include "planner/step_cost.h"

#include <algorithm>
#include <cmath>

#include "planner/layer_cost.h"
#include "planner/pipeline_cost.h"
#include "planner/sharding_cost.h"

namespace colossus::planner {
namespace {

class Sum {
 public:
  void add(Term term, double seconds) {
    cost_.terms[static_cast<size_t>(term)] += seconds;
    cost_.seconds += seconds;
  }
  const StepCost& cost() const { return cost_; }

 private:
  StepCost cost_;
};

// `times`: layers of the mean stage, of all micro-batches.
void add_layers(const LayerCost& layer, double times, Sum& sum) {
  sum.add(Term::kAttentionProducts, layer.attention_products.sum() * times);
  sum.add(Term::kFeedForward, layer.ffn.sum() * times);
  sum.add(Term::kAttentionCore, layer.attention_core.sum() * times);
  sum.add(Term::kMemoryBound, layer.memory_bound.sum() * times);
  sum.add(Term::kWeightGradients, layer.weight_gradients * times);
  sum.add(Term::kPermute, layer.permute.sum() * times);
  sum.add(Term::kExpertBias, layer.expert_bias.sum() * times);
  sum.add(Term::kAllToAll, layer.all_to_all.sum() * times);
  sum.add(Term::kTensorParallel, layer.tensor_parallel.sum() * times);
  sum.add(Term::kContextParallel, layer.context_parallel.sum() * times);
  sum.add(Term::kRecompute, layer.recompute * times);
  sum.add(Term::kHostWait, layer.host_wait * times);
}

}  // namespace

const char* term_name(Term term) {
  static constexpr std::array<const char*, kNumTerms> kNames = {
      "attention products", "feed-forward",
      "attention core",     "memory-bound",
      "weight gradients",   "expert permutation",
      "expert biases",      "all-to-all",
      "tensor parallel",    "context parallel",
      "recomputation",      "host",
      "head and loss",      "stage imbalance",
      "sharded weights",    "pipeline sends",
      "pipeline bubble",    "gradient exchange",
      "optimizer",          "jitter"};
  return kNames[static_cast<size_t>(term)];
}

double jitter_share(double num_devices, const Calibration& calibration) {
  const double doublings = std::log2(std::max(1.0, num_devices / 8));
  return calibration.jitter * doublings;
}

StepCost step_cost(const Workload& workload, const Calibration& calibration) {
  const CostInputs inputs(workload, calibration);
  return step_cost(inputs, layer_cost(inputs), head_seconds(inputs));
}

StepCost step_cost(const CostInputs& inputs, const LayerCost& layer,
                   double head) {
  const Workload& workload = inputs.workload;
  const PipelineCost pipeline = pipeline_cost(inputs, layer.seconds(), head);
  const ShardingCost sharding = sharding_cost(inputs, layer, head);
  const double micro_batches = workload.num_micro_batches();
  const auto num_stages = static_cast<double>(workload.layout.pipeline);

  Sum sum;
  add_layers(layer, inputs.shape.L / num_stages * micro_batches, sum);
  sum.add(Term::kHead, head / num_stages * micro_batches);
  sum.add(Term::kImbalance,
          (pipeline.stage_seconds - pipeline.mean_seconds) * micro_batches);
  sum.add(Term::kShardedWeights,
          sharding.micro_batch_seconds * micro_batches + sharding.step_seconds);
  sum.add(Term::kSends, pipeline.send_seconds * micro_batches);
  sum.add(Term::kBubble, pipeline.bubble_seconds);
  sum.add(Term::kGradients, sharding.gradient_seconds);
  sum.add(Term::kOptimizer, sharding.optimizer_seconds);
  sum.add(Term::kJitter,
          jitter_share(workload.num_devices(), inputs.calibration) *
              sum.cost().seconds);
  return sum.cost();
}

}  // namespace colossus::planner
