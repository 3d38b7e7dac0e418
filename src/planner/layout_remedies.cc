#include "planner/layout_remedies.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>

#include "base/error.h"
#include "base/fields.h"
#include "config/toml.h"
#include "planner/layout_search.h"

namespace colossus::planner {
namespace {

constexpr int kNumDimensions = 8;   // that can differ; data follows from them
constexpr int kMostDimensions = 3;  // that are tried before all layouts are
constexpr int kMostDoublings = 6;
constexpr size_t kMostRules = 16, kMostDropped = 2;  // tried in all ways

void fix(Range& range, int64_t value) {
  range.least = std::max(range.least, value);
  range.most = std::min(range.most, value);
}

// `rules`, and every dimension as in `layout` but for those of `free`, a bit
// each.
LayoutRules rules_around(const Layout& layout, unsigned free,
                         LayoutRules rules) {
  int bit = 0;
  const auto is_fixed = [&] { return (free >> bit++ & 1) == 0; };
  if (is_fixed()) fix(rules.tensor, layout.tensor);
  if (is_fixed()) fix(rules.pipeline, layout.pipeline);
  if (is_fixed()) fix(rules.virtual_stages, layout.virtual_stages);
  if (is_fixed()) fix(rules.expert, layout.expert);
  if (is_fixed()) fix(rules.context, layout.context);
  if (is_fixed()) fix(rules.zero_stage, layout.zero_stage);
  if (is_fixed()) fix(rules.micro_batch_size, layout.micro_batch_size);
  if (is_fixed()) rules.recomputation = layout.recomputation;
  return rules;
}

std::optional<FoundLayout> fastest_that_fits(PlanRequest request,
                                             const LayoutRules& rules,
                                             ThreadPool& pool) {
  request.rules = rules;
  LayoutSearch search(request, pool);
  const auto found = search.best(SearchGoal::kFastestThatFit, 1);
  if (found.empty()) return std::nullopt;
  return found.front();
}

// Of layouts with the fewest dimensions other than `layout` has, within the
// request's rules, some of which fit.
std::optional<FoundLayout> nearest_that_fits(const PlanRequest& request,
                                             const Layout& layout,
                                             ThreadPool& pool) {
  const LayoutRules& rules = request.rules;
  for (int changed = 1; changed <= kMostDimensions; ++changed) {
    std::optional<FoundLayout> nearest;
    for (unsigned free = 0; free < 1U << kNumDimensions; ++free) {
      if (std::popcount(free) != changed) continue;
      const auto found =
          fastest_that_fits(request, rules_around(layout, free, rules), pool);
      if (found && (!nearest || *found < *nearest)) nearest = found;
    }
    if (nearest) return nearest;
  }
  return fastest_that_fits(request, rules, pool);
}

// The fastest that fits with the fewest of the request's rules dropped, whose
// texts `dropped` gets.
std::optional<FoundLayout> fastest_without_rules(
    const PlanRequest& request, ThreadPool& pool,
    std::vector<std::string>& dropped) {
  const std::vector<std::string>& texts = request.rules.texts;
  const auto fastest_with = [&](unsigned kept) {
    LayoutRules rules;
    for (size_t i = 0; i < texts.size(); ++i) {
      if ((kept >> i & 1) != 0) add_layout_rule(texts[i], rules);
    }
    return fastest_that_fits(request, rules, pool);
  };
  const std::optional<FoundLayout> without_any =
      fastest_that_fits(request, LayoutRules(), pool);
  const size_t most = texts.size() <= kMostRules ? kMostDropped : 0;
  for (size_t n = 1; without_any && n <= most && n < texts.size(); ++n) {
    std::optional<FoundLayout> fastest;
    for (unsigned kept = 0; kept < 1U << texts.size(); ++kept) {
      if (static_cast<size_t>(std::popcount(kept)) != texts.size() - n) {
        continue;
      }
      const auto found = fastest_with(kept);
      if (!found || (fastest && !(*found < *fastest))) continue;
      fastest = found;
      dropped.clear();
      for (size_t i = 0; i < texts.size(); ++i) {
        if ((kept >> i & 1) == 0) dropped.push_back(texts[i]);
      }
    }
    if (fastest) return fastest;
  }
  if (without_any) dropped = texts;
  return without_any;
}

// GPUs on which some layout fits, by doubling; 0: up to 64 times as many do
// not, or the network ends before.
int64_t devices_that_fit(const PlanRequest& request, ThreadPool& pool) {
  PlanRequest larger = request;
  Cluster& cluster = larger.cluster.cluster;
  for (int i = 0; i < kMostDoublings; ++i) {
    cluster.num_devices *= 2;
    try {
      validate(cluster, "a larger cluster");
    } catch (const UserError&) {
      return 0;
    }
    if (fastest_that_fits(larger, LayoutRules(), pool)) {
      return cluster.num_devices;
    }
  }
  return 0;
}

struct Part {
  const char* name;
  double bytes;
};

Part heaviest_part(const MemoryUse& use) {
  const std::array<Part, 6> parts = {
      Part{"states (weights, gradients, optimizer)", use.states},
      Part{"gathered weights", use.gathered},
      Part{"activations", use.activations},
      Part{"the layer or the logits at work", use.live},
      Part{"communication buffers", use.buffers},
      Part{"contexts of libraries", use.contexts}};
  return *std::max_element(
      parts.begin(), parts.end(),
      [](const Part& a, const Part& b) { return a.bytes < b.bytes; });
}

// Values up to `most` that the rule allows, or, where it allows none of them,
// the least that it allows.
std::vector<int64_t> candidates(int64_t most, const Range& rule) {
  std::vector<int64_t> list;
  for (int64_t i = 1; i <= most; ++i) {
    if (rule.holds(i)) list.push_back(i);
  }
  if (list.empty()) list.push_back(std::max<int64_t>(rule.least, 1));
  return list;
}

std::vector<int64_t> powers_of_two(int64_t most, const Range& rule) {
  std::vector<int64_t> list;
  for (int64_t i = 1; i <= most; i *= 2) {
    if (rule.holds(i)) list.push_back(i);
  }
  if (list.empty()) list.push_back(std::max<int64_t>(rule.least, 1));
  return list;
}

int64_t at_least_one(const Range& range) {
  return std::max<int64_t>(range.least, 1);
}

// The rest of a layout of these groups, as the rules have it; one replica.
Layout layout_by_rules(const LayoutRules& rules, int64_t tensor,
                       int64_t pipeline, int64_t context) {
  Layout layout;
  layout.tensor = tensor;
  layout.pipeline = pipeline;
  layout.context = context;
  layout.virtual_stages = at_least_one(rules.virtual_stages);
  layout.expert = at_least_one(rules.expert);
  layout.micro_batch_size = at_least_one(rules.micro_batch_size);
  layout.zero_stage = rules.zero_stage.least;
  layout.sequence_parallel = rules.sequence_parallel.least > 0;
  layout.embedding_slot = rules.embedding_slot.least > 0;
  layout.head_slot = rules.head_slot.least > 0;
  if (!rules.recomputation.empty()) layout.recomputation = rules.recomputation;
  return layout;
}

// As many replicas as the GPUs allow, and as the batch can be dealt out to.
std::vector<int64_t> likely_replicas(const PlanRequest& request,
                                     const Layout& layout) {
  const double replicas =
      static_cast<double>(request.cluster.cluster.num_devices) /
      static_cast<double>(layout.tensor) /
      static_cast<double>(layout.pipeline) /
      static_cast<double>(layout.context);
  const int64_t most = std::max<int64_t>(static_cast<int64_t>(replicas), 1);
  int64_t of_batch = std::min(most, request.global_batch_sequences);
  while (request.global_batch_sequences % of_batch != 0) --of_batch;
  std::vector<int64_t> list = {most, of_batch};
  for (int64_t& data : list) {
    data = std::clamp(data, at_least_one(request.rules.data),
                      request.rules.data.most);
  }
  return list;
}

std::vector<std::string> violations_of(const PlanRequest& request,
                                       const Layout& layout) {
  Cluster cluster = request.cluster.cluster;
  const double ranks = static_cast<double>(layout.tensor) *
                       static_cast<double>(layout.pipeline) *
                       static_cast<double>(layout.context) *
                       static_cast<double>(layout.data);
  const bool fits = ranks <= static_cast<double>(cluster.num_devices) &&
                    uses_enough(cluster, layout) &&
                    takes_whole_nodes(cluster, layout);
  if (fits) cluster.num_devices = layout.num_ranks();
  return violations(request.model, cluster, request.global_batch_sequences,
                    request.seq_len, layout);
}

std::vector<std::string> fewest_violations(const PlanRequest& request) {
  const LayoutRules& rules = request.rules;
  const Transformer& model = request.model;
  const int64_t devices = request.cluster.cluster.num_devices;
  std::vector<std::string> fewest;
  const auto try_layout = [&](const Layout& layout) {
    std::vector<std::string> broken = violations_of(request, layout);
    if (fewest.empty() || broken.size() < fewest.size()) {
      fewest = std::move(broken);
    }
  };
  const int64_t most_stages = std::min(model.num_layers + 2, devices);
  for (const int64_t t : powers_of_two(model.num_q_heads, rules.tensor)) {
    for (const int64_t p : candidates(most_stages, rules.pipeline)) {
      for (const int64_t c : powers_of_two(request.seq_len, rules.context)) {
        Layout layout = layout_by_rules(rules, t, p, c);
        for (const int64_t data : likely_replicas(request, layout)) {
          layout.data = data;
          try_layout(layout);
        }
      }
    }
  }
  return fewest;
}

}  // namespace

MissingMemory missing_memory(const PlanRequest& request, const Layout& layout,
                             bool none_fits, ThreadPool& pool) {
  MissingMemory result;
  result.planned = planned(request, layout);
  const MemoryUse& use = result.planned.memory;
  result.missing_bytes =
      use.needed() - request.cluster.cluster.device.memory_bytes;
  const Part part = heaviest_part(use);
  result.heaviest_part = part.name;
  result.heaviest_bytes = part.bytes;
  const auto nearest =
      none_fits ? fastest_without_rules(request, pool, result.dropped_rules)
                : nearest_that_fits(request, layout, pool);
  if (nearest) {
    result.nearest_fitting = planned(request, nearest->layout);
    result.changes = changes_between(layout, nearest->layout);
  } else {
    result.devices_that_fit = devices_that_fit(request, pool);
  }
  return result;
}

void throw_no_layout(const PlanRequest& request) {
  const std::string rules =
      request.rules.texts.empty()
          ? ""
          : fmt::format(" with {}", fmt::join(request.rules.texts, ", "));
  throw user_error("no layout of {} on {} GPUs can be{}: {}",
                   request.model.name, request.cluster.cluster.num_devices,
                   rules, fmt::join(fewest_violations(request), "; "));
}

std::vector<std::string> changes_between(const Layout& before,
                                         const Layout& after) {
  Layout a = before, b = after;
  const std::vector<Field> from = fields_of(a), to = fields_of(b);
  std::vector<std::string> changes;
  for (size_t i = 0; i < from.size(); ++i) {
    const std::string x = config::value_text(from[i]);
    const std::string y = config::value_text(to[i]);
    if (x != y)
      changes.push_back(fmt::format("{} {} -> {}", from[i].name, x, y));
  }
  return changes;
}

}  // namespace colossus::planner
