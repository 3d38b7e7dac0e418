#include "planner/layout_search.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <tuple>

#include "planner/memory.h"
#include "planner/pipeline_cost.h"
#include "planner/step_cost.h"

namespace colossus::planner {
namespace {

// A bound in floating point may lie above what it bounds by rounding: some
// hundred operations of 1e-16 each.
constexpr double kRounding = 1 - 1e-9;
constexpr const char* kRecomputations[] = {"none", "selective", "full"};
// Families whose members are computed before what they found bounds the next.
// The first are few: they have no bound yet.
constexpr size_t kFirstRound = 8, kRound = 64;

std::vector<int64_t> divisors_of(int64_t number) {
  std::vector<int64_t> low, high;
  for (int64_t i = 1; i * i <= number; ++i) {
    if (number % i != 0) continue;
    low.push_back(i);
    if (i != number / i) high.push_back(number / i);
  }
  low.insert(low.end(), high.rbegin(), high.rend());
  return low;
}

// Whether the rules of layout.h that concern tensor, or context, alone hold.
bool can_be_tensor(const Transformer& model, int64_t tensor) {
  const auto divides = [&](int64_t whole) { return whole % tensor == 0; };
  const bool heads =
      divides(model.num_q_heads) &&
      (model.has_latent_attention() || divides(model.num_kv_heads) ||
       tensor % model.num_kv_heads == 0);
  const bool dense = model.num_dense_layers() > 0 || model.dense_beside_experts;
  const bool shared =
      model.num_expert_layers() > 0 && model.num_shared_experts > 0;
  return heads && (!dense || divides(model.dense_ffn_dim)) &&
         (!shared || divides(model.shared_expert_ffn_dim));
}

bool can_be_context(int64_t seq_len, int64_t context) {
  return context == 1 || seq_len % (2 * context) == 0;
}

// The choices of a detail that is of use or not; a rule can ask for it all the
// same.
Range choices(const Range& rule, bool is_of_use) {
  const bool is_off = rule.holds(0), is_on = rule.holds(1);
  if (!is_off) return {1, is_on ? 1 : 0};
  return {0, is_on && is_of_use ? 1 : 0};
}

// Experts can have replicas where the rest has none: within a tensor group.
Range zero_stages(const PlanRequest& request, const Layout& layout) {
  const LayoutRules& rules = request.rules;
  const int64_t replicas = layout.data * layout.context;
  const bool is_of_use = replicas > 1 || (request.model.has_experts() &&
                                          layout.tensor > layout.expert);
  if (!is_of_use && rules.zero_stage.holds(0)) return {0, 0};
  return {std::max<int64_t>(rules.zero_stage.least, 0),
          std::min<int64_t>(rules.zero_stage.most, 3)};
}

int64_t size_of(const Range& range) {
  return std::max<int64_t>(range.most - range.least + 1, 0);
}

}  // namespace

bool FoundLayout::operator<(const FoundLayout& other) const {
  const auto key = [](const FoundLayout& found) {
    const Layout& l = found.layout;
    return std::tuple(found.seconds, found.needed_bytes, l.tensor, l.pipeline,
                      l.context, l.expert, l.virtual_stages, l.zero_stage,
                      l.micro_batch_size, recomputation_of(l),
                      l.sequence_parallel, l.embedding_slot, l.head_slot);
  };
  return key(*this) < key(other);
}

Layout without_details(Layout layout) {
  layout.sequence_parallel = layout.embedding_slot = layout.head_slot = false;
  return layout;
}

bool uses_enough(const Cluster& cluster, const Layout& layout) {
  return 2 * layout.num_ranks() > cluster.num_devices;
}

bool takes_whole_nodes(const Cluster& cluster, const Layout& layout) {
  const int64_t ranks = layout.num_ranks();
  return ranks <= cluster.node.num_devices ||
         ranks % cluster.node.num_devices == 0;
}

namespace {

// The best layouts so far, in order, each without_details once.
class BestLayouts {
 public:
  BestLayouts(SearchGoal goal, int64_t count)
      : goal_(goal), count_(static_cast<size_t>(count)) {}

  // What a layout must not pass: bytes where memory is the goal, else seconds.
  double limit() const {
    if (found_.size() < count_) return std::numeric_limits<double>::infinity();
    return is_by_memory() ? found_.back().needed_bytes : found_.back().seconds;
  }

  void offer(const FoundLayout& layout) {
    const Layout key = without_details(layout.layout);
    const auto same = std::find_if(
        found_.begin(), found_.end(), [&](const FoundLayout& other) {
          return without_details(other.layout) == key;
        });
    if (same != found_.end()) {
      if (!is_before(layout, *same)) return;
      found_.erase(same);
    }
    const auto at = std::upper_bound(
        found_.begin(), found_.end(), layout,
        [&](const auto& a, const auto& b) { return is_before(a, b); });
    found_.insert(at, layout);
    if (found_.size() > count_) found_.pop_back();
  }

  const std::vector<FoundLayout>& found() const { return found_; }

 private:
  bool is_by_memory() const { return goal_ == SearchGoal::kLeastMemory; }
  bool is_before(const FoundLayout& a, const FoundLayout& b) const {
    if (is_by_memory() && a.needed_bytes != b.needed_bytes) {
      return a.needed_bytes < b.needed_bytes;
    }
    return a < b;
  }

  SearchGoal goal_;
  size_t count_;
  std::vector<FoundLayout> found_;
};

// A group of neighbours lies within nodes or covers whole ones.
bool is_aligned(const Cluster& cluster, int64_t group) {
  const int64_t node = cluster.node.num_devices;
  return group % node == 0 || node % group == 0;
}

// Pipelines and replicas that complete a family: `visit` gets the layout with
// both.
template <typename Visit>
void for_each_pipeline(const PlanRequest& request, Layout layout,
                       const std::vector<int64_t>& batch_divisors,
                       Visit visit) {
  const LayoutRules& rules = request.rules;
  const Cluster& cluster = request.cluster.cluster;
  const int64_t of_stage = layout.tensor * layout.context;
  const int64_t replicas_of_batch =
      request.global_batch_sequences / layout.micro_batch_size;
  for (int64_t pipeline = 1; pipeline <= request.model.num_layers + 2;
       ++pipeline) {
    const int64_t most = cluster.num_devices / of_stage / pipeline;
    if (most == 0) break;
    if (!rules.pipeline.holds(pipeline)) continue;
    layout.pipeline = pipeline;
    // From the largest down, while more than half of the GPUs are in use.
    auto data =
        std::upper_bound(batch_divisors.begin(), batch_divisors.end(), most);
    while (data != batch_divisors.begin()) {
      layout.data = *--data;
      if (!uses_enough(cluster, layout)) break;
      const bool fits_batch = replicas_of_batch % layout.data == 0;
      const bool fits_experts = of_stage * layout.data % layout.expert == 0;
      const bool fits_nodes = takes_whole_nodes(cluster, layout);
      if (fits_batch && fits_experts && fits_nodes &&
          rules.data.holds(layout.data)) {
        visit(layout);
      }
    }
  }
}

// Slots, with the virtual stages that go with them: `visit` gets the layout
// with the slots, and the range.
template <typename Visit>
void for_each_slots(const PlanRequest& request, Layout layout, Visit visit) {
  const LayoutRules& rules = request.rules;
  const bool has_stages = layout.pipeline > 1;
  const bool interleaves =
      has_stages && num_micro_batches(layout, request.global_batch_sequences) >=
                        layout.pipeline;
  const Range embeddings = choices(rules.embedding_slot, has_stages);
  const Range heads = choices(rules.head_slot, has_stages);
  for (int64_t embedding = embeddings.least; embedding <= embeddings.most;
       ++embedding) {
    for (int64_t head = heads.least; head <= heads.most; ++head) {
      layout.embedding_slot = embedding == 1;
      layout.head_slot = head == 1;
      const int64_t slots = request.model.num_layers + embedding + head;
      const int64_t most = interleaves ? slots / layout.pipeline : 1;
      if (slots < layout.pipeline) continue;
      visit(layout, Range{std::max<int64_t>(rules.virtual_stages.least, 1),
                          std::min<int64_t>(rules.virtual_stages.most, most)});
    }
  }
}

int64_t num_members(const PlanRequest& request, const Layout& family,
                    const std::vector<int64_t>& batch_divisors) {
  int64_t count = 0;
  for_each_pipeline(request, family, batch_divisors, [&](const Layout& layout) {
    const int64_t zeros = size_of(zero_stages(request, layout));
    for_each_slots(request, layout, [&](const Layout&, const Range& chunks) {
      count += size_of(chunks) * zeros;
    });
  });
  return count;
}

}  // namespace

// The members of one family, computed as far as the bounds let through.
class LayoutSearch::Members {
 public:
  Members(const LayoutSearch& search, const Family& family, SearchGoal goal,
          double limit, int64_t count, double capacity)
      : request_(search.request_),
        family_(family),
        goal_(goal),
        limit_(limit),
        batch_divisors_(search.batch_divisors_),
        capacity_(capacity),
        num_layers_(search.workload_.num_layers()),
        workload_(search.workload_.of(family.layout)),
        inputs_(workload_, request_.calibration),
        layer_(layer_cost(inputs_)),
        head_(head_seconds(inputs_)),
        best_(goal, count) {}

  void compute() {
    for_each_pipeline(request_, family_.layout, batch_divisors_,
                      [&](const Layout& layout) { compute_pipeline(layout); });
  }

  const std::vector<FoundLayout>& found() const { return best_.found(); }
  int64_t num_evaluated() const { return num_evaluated_; }

 private:
  double limit() const { return std::min(limit_, best_.limit()); }

  // Which ZeRO stages can be of use with this pipeline, by memory.
  std::array<bool, 4> open_zero_stages() {
    std::array<bool, 4> open{};
    const Range range = zero_stages(request_, workload_.layout);
    for (int64_t zero = range.least; zero <= range.most; ++zero) {
      workload_.layout.zero_stage = zero;
      const double least =
          goal_ == SearchGoal::kFastest
              ? 0
              : least_needed_bytes(workload_, request_.calibration);
      const double most =
          goal_ == SearchGoal::kLeastMemory ? limit() : capacity_;
      open[static_cast<size_t>(zero)] = least <= most;
    }
    return open;
  }

  void compute_pipeline(const Layout& layout) {
    workload_.layout = layout;
    const bool is_by_time = goal_ != SearchGoal::kLeastMemory;
    if (is_by_time && work_seconds() > limit()) return;
    const std::array<bool, 4> open = open_zero_stages();
    if (std::none_of(open.begin(), open.end(), [](bool b) { return b; })) {
      return;
    }
    for_each_slots(request_, layout, [&](Layout split, const Range& chunks) {
      if (is_by_time && interleaved_seconds(chunks.most) > limit()) return;
      for (int64_t v = chunks.least; v <= chunks.most; ++v) {
        split.virtual_stages = v;
        compute_split(split, open);
      }
    });
  }

  void compute_split(const Layout& layout, const std::array<bool, 4>& open) {
    workload_.layout = layout;
    workload_.stages = stage_layers(num_layers_, layout);
    const bool is_by_time = goal_ != SearchGoal::kLeastMemory;
    if (is_by_time && pipeline_seconds() > limit()) return;
    for (int64_t zero = 0; zero < 4; ++zero) {
      if (!open[static_cast<size_t>(zero)]) continue;
      workload_.layout.zero_stage = zero;
      compute_one();
    }
  }

  // All micro-batches of the mean stage, with jitter.
  double work_seconds() const {
    const double layers = static_cast<double>(num_layers_) * layer_.seconds();
    return (layers + head_) / static_cast<double>(workload_.layout.pipeline) *
           workload_.num_micro_batches() *
           (1 + jitter_share(workload_.num_devices(), request_.calibration)) *
           kRounding;
  }

  // With the bubble of the mean stage, least with the most chunks.
  double interleaved_seconds(int64_t most_chunks) const {
    const auto stages = static_cast<double>(workload_.layout.pipeline);
    const double bubbles = (stages - 1) / static_cast<double>(most_chunks);
    return work_seconds() * (1 + bubbles / workload_.num_micro_batches());
  }

  // Below the step's time whatever is sharded.
  double pipeline_seconds() const {
    const PipelineCost cost = pipeline_cost(inputs_, layer_.seconds(), head_);
    const double seconds = (cost.stage_seconds + cost.send_seconds) *
                               workload_.num_micro_batches() +
                           cost.bubble_seconds;
    return seconds *
           (1 + jitter_share(workload_.num_devices(), request_.calibration)) *
           kRounding;
  }

  void compute_one() {
    const double seconds = step_cost(inputs_, layer_, head_).seconds;
    ++num_evaluated_;
    if (goal_ != SearchGoal::kLeastMemory && seconds > limit()) return;
    const double needed = memory_use(workload_, request_.calibration).needed();
    if (goal_ == SearchGoal::kFastestThatFit && needed > capacity_) return;
    best_.offer({workload_.layout, seconds, needed});
  }

  const PlanRequest& request_;
  const Family& family_;
  SearchGoal goal_;
  double limit_;
  const std::vector<int64_t>& batch_divisors_;
  double capacity_;
  int64_t num_layers_;
  Workload workload_;
  CostInputs inputs_;
  LayerCost layer_;
  double head_;
  BestLayouts best_;
  int64_t num_evaluated_ = 0;
};

LayoutSearch::LayoutSearch(const PlanRequest& request, ThreadPool& pool)
    : request_(request),
      pool_(pool),
      workload_(request),
      batch_divisors_(divisors_of(request.global_batch_sequences)) {
  list_families();
}

void LayoutSearch::list_families() {
  const Cluster& cluster = request_.cluster.cluster;
  const LayoutRules& rules = request_.rules;
  const bool is_one_node = cluster.num_devices <= cluster.node.num_devices;
  const auto fits_nodes = [&](int64_t group) {
    return is_one_node || is_aligned(cluster, group);
  };
  std::vector<std::pair<int64_t, int64_t>> pairs;  // tensor, context
  for (const int64_t tensor : divisors_of(request_.model.num_q_heads)) {
    const bool fits = tensor <= cluster.num_devices && fits_nodes(tensor) &&
                      can_be_tensor(request_.model, tensor);
    if (!fits || !rules.tensor.holds(tensor)) continue;
    for (const int64_t context : divisors_of(request_.seq_len)) {
      const bool cuts = context <= cluster.num_devices / tensor &&
                        fits_nodes(context == 1 ? 1 : tensor * context) &&
                        can_be_context(request_.seq_len, context);
      if (cuts && rules.context.holds(context)) {
        pairs.emplace_back(tensor, context);
      }
    }
  }
  std::vector<std::vector<Family>> lists(pairs.size());
  std::vector<int64_t> legal(pairs.size());
  pool_.run(static_cast<int64_t>(pairs.size()), [&](int64_t piece, int) {
    const auto i = static_cast<size_t>(piece);
    lists[i] = families_of(pairs[i].first, pairs[i].second, legal[i]);
  });
  for (size_t i = 0; i < lists.size(); ++i) {
    families_.insert(families_.end(), lists[i].begin(), lists[i].end());
    num_legal_ += legal[i];
  }
  std::stable_sort(families_.begin(), families_.end(),
                   [](const Family& a, const Family& b) {
                     return a.least_seconds < b.least_seconds;
                   });
}

// Of one tensor and context: micro-batch sizes, experts, sequence parallelism.
std::vector<LayoutSearch::Family> LayoutSearch::families_of(
    int64_t tensor, int64_t context, int64_t& num_legal) const {
  const Transformer& model = request_.model;
  const LayoutRules& rules = request_.rules;
  const Cluster& cluster = request_.cluster.cluster;
  const std::vector<int64_t> experts =
      divisors_of(std::max<int64_t>(model.num_experts, 1));
  std::vector<Family> families;
  for (const int64_t size : batch_divisors_) {
    if (!rules.micro_batch_size.holds(size)) continue;
    for (const int64_t expert : experts) {
      const bool shares = model.has_experts() && expert == 1;
      const bool cuts = !shares || model.expert_ffn_dim % tensor == 0;
      const bool fits_nodes = cluster.num_devices <= cluster.node.num_devices ||
                              is_aligned(cluster, expert);
      if (!cuts || !fits_nodes || !rules.expert.holds(expert)) continue;
      Layout layout;
      layout.tensor = tensor;
      layout.context = context;
      layout.micro_batch_size = size;
      layout.expert = expert;
      const int64_t members = num_members(request_, layout, batch_divisors_);
      if (members == 0) continue;
      const Range parallels = choices(rules.sequence_parallel, tensor > 1);
      for (int64_t parallel = parallels.least; parallel <= parallels.most;
           ++parallel) {
        if (parallel == 1 && request_.seq_len % (context * tensor) != 0)
          continue;
        layout.sequence_parallel = parallel == 1;
        const size_t before = families.size();
        add_families(layout, families);
        num_legal += members * static_cast<int64_t>(families.size() - before);
      }
    }
  }
  return families;
}

void LayoutSearch::add_families(const Layout& layout,
                                std::vector<Family>& families) const {
  for (const char* recomputation : kRecomputations) {
    const std::string& rule = request_.rules.recomputation;
    if (!rule.empty() && rule != recomputation) continue;
    Family family = {layout};
    family.layout.recomputation = recomputation;
    family.least_seconds = least_seconds(family.layout);
    families.push_back(std::move(family));
  }
}

// All micro-batches of the mean stage, if all GPUs were in use; at least half
// of them are, which bounds jitter. What else a step takes is not below 0;
// T13's slowest stage is not below the mean.
double LayoutSearch::least_seconds(const Layout& family) const {
  const Workload workload = workload_.of(family);
  const CostInputs inputs(workload, request_.calibration);
  const double layers = static_cast<double>(workload_.num_layers()) *
                        layer_cost(inputs).seconds();
  const auto devices =
      static_cast<double>(request_.cluster.cluster.num_devices);
  const double micro_batches = workload.global_batch_sequences /
                               static_cast<double>(family.micro_batch_size);
  const double share =
      static_cast<double>(family.tensor * family.context) / devices;
  return (layers + head_seconds(inputs)) * micro_batches * share *
         (1 + jitter_share(devices / 2, request_.calibration)) * kRounding;
}

std::vector<FoundLayout> LayoutSearch::best(SearchGoal goal, int64_t count) {
  return best(goal, count, workload_.machine().memory_bytes);
}

std::vector<FoundLayout> LayoutSearch::best(SearchGoal goal, int64_t count,
                                            double capacity_bytes) {
  BestLayouts best(goal, count);
  size_t round = kFirstRound;
  for (size_t first = 0; first < families_.size(); first += round) {
    round = first == 0 ? kFirstRound : kRound;
    const double limit = best.limit();
    const bool is_by_time = goal != SearchGoal::kLeastMemory;
    if (is_by_time && families_[first].least_seconds > limit) break;
    const size_t size = std::min(round, families_.size() - first);
    std::vector<std::vector<FoundLayout>> found(size);
    std::vector<int64_t> evaluated(size);
    pool_.run(static_cast<int64_t>(size), [&](int64_t piece, int) {
      const auto i = static_cast<size_t>(piece);
      const Family& family = families_[first + i];
      if (is_by_time && family.least_seconds > limit) return;
      Members members(*this, family, goal, limit, count, capacity_bytes);
      members.compute();
      found[i] = members.found();
      evaluated[i] = members.num_evaluated();
    });
    for (size_t i = 0; i < size; ++i) {
      for (const FoundLayout& layout : found[i]) best.offer(layout);
      num_evaluated_ += evaluated[i];
    }
  }
  return best.found();
}

}  // namespace colossus::planner
