// The search against all layouts, one by one.
#include "planner/layout_search.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "planner/memory.h"
#include "planner/step_cost.h"

namespace colossus::planner {
namespace {

Transformer small_dense() {
  Transformer m;
  m.num_layers = 6;
  m.model_dim = 1024;
  m.vocab_size = 32000;
  m.num_q_heads = 8;
  m.num_kv_heads = 4;
  m.head_dim = 128;
  m.dense_ffn_dim = 4096;
  return m;
}

Transformer small_experts() {
  Transformer m = small_dense();
  m.num_layers = 5;
  m.dense_ffn_dim = 0;
  m.num_experts = 4;
  m.num_selected_experts = 2;
  m.expert_ffn_dim = 4096;
  return m;
}

PlanRequest request_of(const Transformer& model, const std::string& cluster,
                       int64_t batch) {
  PlanRequest request;
  request.model = model;
  request.cluster = cluster_of(cluster, {});
  request.global_batch_sequences = batch;
  request.seq_len = 2048;
  return request;
}

// Every combination of values up to the largest that can be.
template <typename Visit>
void for_all_layouts(const PlanRequest& request, Visit visit) {
  const int64_t devices = request.cluster.cluster.num_devices;
  const int64_t batch = request.global_batch_sequences;
  const int64_t experts = std::max<int64_t>(request.model.num_experts, 1);
  Layout l;
  for (l.tensor = 1; l.tensor <= devices; ++l.tensor)
    for (l.pipeline = 1; l.tensor * l.pipeline <= devices; ++l.pipeline)
      for (l.context = 1; l.tensor * l.pipeline * l.context <= devices;
           ++l.context) {
        const int64_t most = devices / (l.tensor * l.pipeline * l.context);
        for (l.data = 1; l.data <= most; ++l.data)
          for (l.virtual_stages = 1; l.virtual_stages <= 8; ++l.virtual_stages)
            for (l.expert = 1; l.expert <= experts; ++l.expert)
              for (l.micro_batch_size = 1; l.micro_batch_size <= batch;
                   ++l.micro_batch_size) {
                if (batch % l.micro_batch_size != 0) continue;
                for (int details = 0; details < 8 * 4 * 3; ++details) {
                  l.sequence_parallel = details % 2 == 1;
                  l.embedding_slot = details / 2 % 2 == 1;
                  l.head_slot = details / 4 % 2 == 1;
                  l.zero_stage = details / 8 % 4;
                  static const char* const kWords[] = {"none", "selective",
                                                       "full"};
                  l.recomputation = kWords[details / 32];
                  visit(l);
                }
              }
      }
}

struct BruteForce {
  std::vector<FoundLayout> fitting, any;  // ascending, without_details once
  std::vector<FoundLayout> by_memory;
  int64_t legal = 0;
};

std::vector<FoundLayout> sorted(const std::map<std::string, FoundLayout>& map) {
  std::vector<FoundLayout> list;
  for (const auto& [key, found] : map) list.push_back(found);
  std::sort(list.begin(), list.end());
  return list;
}

std::string text_of(const Layout& l) {
  return fmt::format("t{} p{} v{} d{} e{} c{} z{} m{} {} {}{}{}", l.tensor,
                     l.pipeline, l.virtual_stages, l.data, l.expert, l.context,
                     l.zero_stage, l.micro_batch_size, l.recomputation,
                     int{l.sequence_parallel}, int{l.embedding_slot},
                     int{l.head_slot});
}

// Of no use, and asked for by no rule.
bool is_redundant(const PlanRequest& request, const Layout& l) {
  const LayoutRules& rules = request.rules;
  const bool shares_experts =
      request.model.has_experts() && l.tensor > l.expert;
  return (l.sequence_parallel && l.tensor == 1 &&
          rules.sequence_parallel.holds(0)) ||
         (l.embedding_slot && l.pipeline == 1 &&
          rules.embedding_slot.holds(0)) ||
         (l.head_slot && l.pipeline == 1 && rules.head_slot.holds(0)) ||
         (l.zero_stage > 0 && l.data * l.context == 1 && !shares_experts &&
          rules.zero_stage.holds(0));
}

BruteForce brute_force(const PlanRequest& request) {
  const PlanWorkload workload(request);
  const double capacity = workload.machine().memory_bytes;
  std::map<std::string, FoundLayout> fitting, any, by_memory;
  BruteForce result;
  const auto offer = [](std::map<std::string, FoundLayout>& map,
                        const FoundLayout& found, bool memory) {
    const auto [at, is_new] =
        map.try_emplace(text_of(without_details(found.layout)), found);
    const FoundLayout& old = at->second;
    const bool less = memory && found.needed_bytes != old.needed_bytes
                          ? found.needed_bytes < old.needed_bytes
                          : found < old;
    if (!is_new && less) at->second = found;
  };
  for_all_layouts(request, [&](const Layout& layout) {
    if (is_redundant(request, layout) || !request.rules.allow(layout)) return;
    Cluster cluster = request.cluster.cluster;
    if (!uses_enough(cluster, layout) || !takes_whole_nodes(cluster, layout)) {
      return;
    }
    cluster.num_devices = layout.num_ranks();
    const auto broken =
        violations(request.model, cluster, request.global_batch_sequences,
                   request.seq_len, layout);
    if (!broken.empty()) return;
    ++result.legal;
    const Workload w = workload.of(layout);
    const FoundLayout found = {layout,
                               step_cost(w, request.calibration).seconds,
                               memory_use(w, request.calibration).needed()};
    EXPECT_LE(least_needed_bytes(w, request.calibration), found.needed_bytes);
    offer(any, found, false);
    offer(by_memory, found, true);
    if (found.needed_bytes <= capacity) offer(fitting, found, false);
  });
  result.fitting = sorted(fitting);
  result.any = sorted(any);
  result.by_memory = sorted(by_memory);
  std::stable_sort(result.by_memory.begin(), result.by_memory.end(),
                   [](const FoundLayout& a, const FoundLayout& b) {
                     return a.needed_bytes < b.needed_bytes;
                   });
  return result;
}

void expect_same(const std::vector<FoundLayout>& found,
                 std::vector<FoundLayout> expected, size_t count) {
  if (expected.size() > count) expected.resize(count);
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i) {
    EXPECT_EQ(text_of(found[i].layout), text_of(expected[i].layout)) << i;
    EXPECT_EQ(found[i].seconds, expected[i].seconds);
    EXPECT_EQ(found[i].needed_bytes, expected[i].needed_bytes);
  }
}

struct Case {
  std::string name;
  PlanRequest request;
};

Case with_rules(Case base, const std::vector<std::string>& rules) {
  for (const std::string& rule : rules) {
    add_layout_rule(rule, base.request.rules);
    base.name += " " + rule;
  }
  return base;
}

Case with_memory(Case base, double bytes) {
  base.name += fmt::format(" {} bytes", bytes);
  base.request.cluster.cluster.device.memory_bytes = bytes;
  return base;
}

std::vector<Case> cases() {
  const Case dense = {"dense", request_of(small_dense(), "H100-SXM:16", 16)};
  const Case experts = {"experts",
                        request_of(small_experts(), "H100-SXM:16", 8)};
  Case deepspeed = {"deepspeed", request_of(small_dense(), "A100-80GB:16", 8)};
  deepspeed.request.framework = "megatron-deepspeed";
  Case titan = {"torchtitan", request_of(small_dense(), "B200:8", 24)};
  titan.request.framework = "torchtitan";
  titan.request.precision = Precision::kFp8;
  // 12 GPUs share no batch of 16: some are idle.
  Case odd = {"12 GPUs", request_of(small_experts(), "GB200:12", 16)};
  odd.request.model.num_mtp_layers = 1;
  // Between what the leanest and the fattest layout need, so that bounds on
  // memory matter. The last four ask for choices of no use, or, where experts
  // have replicas and all else has none, for one that is of use to them alone.
  return {dense,
          experts,
          deepspeed,
          titan,
          odd,
          with_memory(dense, 7e9),
          with_memory(dense, 6e9),
          with_memory(experts, 9e9),
          with_memory(experts, 7e9),
          with_memory(deepspeed, 7e9),
          with_memory(titan, 8e9),
          with_memory(dense, 1e9),
          with_rules(dense, {"parallel.tensor=2", "parallel.pipeline=2"}),
          with_rules(dense, {"tensor<=2", "pipeline>=2", "data<=4"}),
          with_rules(experts, {"expert>=2", "recomputation=full"}),
          with_rules(experts, {"sequence_parallel=false", "zero_stage<=1"}),
          with_rules(dense, {"virtual_stages>=2", "embedding_slot=true"}),
          with_rules(dense, {"micro_batch_size=4", "context>=2"}),
          with_rules(dense, {"zero_stage>=1", "data=1", "context=1"}),
          with_rules(dense, {"sequence_parallel=true", "tensor=1"}),
          with_rules(experts, {"head_slot=true", "pipeline=1"}),
          with_rules(experts, {"tensor=4", "data=1", "context=1"})};
}

TEST(LayoutSearch, FindsWhatBruteForceFinds) {
  for (const Case& c : cases()) {
    SCOPED_TRACE(c.name);
    const BruteForce expected = brute_force(c.request);
    ThreadPool pool(2);
    LayoutSearch search(c.request, pool);
    EXPECT_EQ(search.num_legal(), expected.legal);
    EXPECT_GT(expected.legal, 0);
    expect_same(search.best(SearchGoal::kFastestThatFit, 10), expected.fitting,
                10);
    expect_same(search.best(SearchGoal::kFastestThatFit, 1000),
                expected.fitting, 1000);
    expect_same(search.best(SearchGoal::kFastest, 1), expected.any, 1);
    expect_same(search.best(SearchGoal::kLeastMemory, 3), expected.by_memory,
                3);
  }
}

// One search for several sizes of memory finds what one for each would.
TEST(LayoutSearch, FindsWhatFitsAnotherCapacity) {
  const Case dense = {"dense", request_of(small_dense(), "H100-SXM:16", 16)};
  ThreadPool pool(2);
  LayoutSearch search(dense.request, pool);
  const auto whole = search.best(SearchGoal::kFastestThatFit, 10);
  for (const double share : {0.99, 0.9}) {
    const double bytes = share * whole.front().needed_bytes;
    const Case smaller = with_memory(dense, bytes);
    const auto expected = LayoutSearch(smaller.request, pool)
                              .best(SearchGoal::kFastestThatFit, 10);
    ASSERT_FALSE(expected.empty());
    EXPECT_LE(expected.front().needed_bytes, bytes);
    expect_same(search.best(SearchGoal::kFastestThatFit, 10, bytes), expected,
                10);
  }
}

TEST(LayoutSearch, IsTheSameForAnyNumberOfThreads) {
  for (const Case& c : cases()) {
    SCOPED_TRACE(c.name);
    ThreadPool one(1), three(3);
    LayoutSearch a(c.request, one), b(c.request, three);
    expect_same(a.best(SearchGoal::kFastestThatFit, 10),
                b.best(SearchGoal::kFastestThatFit, 10), 10);
    expect_same(a.best(SearchGoal::kLeastMemory, 2),
                b.best(SearchGoal::kLeastMemory, 2), 2);
    EXPECT_EQ(a.num_evaluated(), b.num_evaluated());
  }
}

// Bounds would be of no use if they let everything through.
TEST(LayoutSearch, ComputesAFractionOfTheLayouts) {
  const PlanRequest request = request_of(small_dense(), "H100-SXM:64", 64);
  ThreadPool pool(2);
  LayoutSearch search(request, pool);
  EXPECT_EQ(search.best(SearchGoal::kFastestThatFit, 10).size(), 10U);
  EXPECT_LT(search.num_evaluated(), search.num_legal() / 2);
}

TEST(LayoutSearch, FindsNothingWhereNothingFits) {
  PlanRequest request = request_of(small_dense(), "H100-SXM:8", 8);
  request.cluster.cluster.device.memory_bytes = 1e6;
  ThreadPool pool(2);
  LayoutSearch search(request, pool);
  EXPECT_TRUE(search.best(SearchGoal::kFastestThatFit, 10).empty());
  EXPECT_EQ(search.num_evaluated(), 0);
  EXPECT_EQ(search.best(SearchGoal::kLeastMemory, 1).size(), 1U);
}

}  // namespace
}  // namespace colossus::planner
