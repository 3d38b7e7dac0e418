#include "cli/plan_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/strings.h"
#include "cli/terminal.h"
#include "planner/plan_inputs.h"
#include "planner/units.h"

namespace colossus::cli {
namespace {

using planner::MemoryUse;
using planner::Plan;
using planner::PlannedLayout;
using planner::PlanRequest;
using planner::Term;
using planner::Unit;

constexpr double kGigabyte = 1e9;
constexpr size_t kShownAssumptions = 8;

std::string joined(const std::vector<std::string>& words) {
  return fmt::format("{}", fmt::join(words, ", "));
}

std::string gigabytes(double bytes) {
  return fmt::format("{:.1f} GB", bytes / kGigabyte);
}

std::string range(const planner::ErrorInterval& interval, double value) {
  return fmt::format("{:.4g}-{:.4g}", interval.low(value),
                     interval.high(value));
}

void print_head(const Plan& plan) {
  const PlanRequest& request = plan.request;
  const planner::Cluster& cluster = request.cluster.cluster;
  fmt::print("{}: {} parameters, {} of them for each token\n",
             printable(request.model.name),
             planner::quantity_text(static_cast<double>(plan.total_parameters),
                                    Unit::kCount),
             planner::quantity_text(static_cast<double>(plan.active_parameters),
                                    Unit::kCount));
  fmt::print("{}: {} {}, {} a GPU\n", printable(cluster.name),
             with_thousands(cluster.num_devices),
             printable(cluster.device.name),
             gigabytes(cluster.device.memory_bytes));
  fmt::print("A step: {} sequences of {} tokens, {}, as {} does it\n",
             with_thousands(request.global_batch_sequences),
             with_thousands(request.seq_len),
             planner::precision_name(request.precision),
             printable(request.framework));
  fmt::print(
      "{} legal layouts, {} of them computed, the others out of reach; "
      "{:.2f} s\n",
      with_thousands(plan.counts.legal), with_thousands(plan.counts.evaluated),
      plan.counts.seconds);
  for (const std::string& rule : request.rules.texts) {
    fmt::print("  with {}\n", printable(rule));
  }
}

// "network.tier.leaf.latency" -> "network.tier.*.latency".
std::string short_key(const std::string& key) {
  static constexpr std::string_view kTier = "network.tier.";
  const size_t dot = key.rfind('.');
  if (!key.starts_with(kTier) || dot < kTier.size()) return key;
  return std::string(kTier) + "*" + key.substr(dot);
}

// What a reader must know before any number.
void print_honesty(const Plan& plan, const PlannedLayout& first) {
  if (!first.extrapolates.empty()) {
    fmt::print(
        "EXTRAPOLATES. {}. The intervals below are those of runs that "
        "were timed.\n",
        first.extrapolates);
  }
  for (const std::string& warning : plan.warnings) {
    fmt::print("Note: {}\n", printable(warning));
  }
  const std::vector<planner::Input> assumed = planner::assumed(plan.inputs);
  if (assumed.empty()) return;
  std::vector<std::string> keys;
  for (const planner::Input& input : assumed) {
    const std::string key = short_key(input.key);
    if (std::find(keys.begin(), keys.end(), key) == keys.end()) {
      keys.push_back(key);
    }
  }
  const size_t hidden = keys.size() - std::min(keys.size(), kShownAssumptions);
  keys.resize(keys.size() - hidden);
  fmt::print("Assumed, neither measured nor published: {}{}\n",
             printable(fmt::format("{}", fmt::join(keys, ", "))),
             hidden > 0 ? fmt::format(", {} more (--json)", hidden) : "");
}

// GPUs that the first layout leaves idle, and a batch that would use more.
void print_idle(const Plan& plan, const PlannedLayout& first) {
  const PlanRequest& request = plan.request;
  const int64_t devices = request.cluster.cluster.num_devices;
  if (first.num_devices == devices) return;
  const planner::Layout& layout = first.layout;
  const int64_t replicas =
      devices / (layout.tensor * layout.pipeline * layout.context);
  const int64_t pass = replicas * layout.micro_batch_size;
  const int64_t batch =
      std::max<int64_t>(1, (request.global_batch_sequences + pass / 2) / pass) *
      pass;
  fmt::print("Idle: {} of {} GPUs", with_thousands(devices - first.num_devices),
             with_thousands(devices));
  if (replicas > layout.data) {
    fmt::print("; {} sequences cannot be dealt out to {} replicas, {} can",
               with_thousands(request.global_batch_sequences),
               with_thousands(replicas), with_thousands(batch));
  }
  fmt::print("\n");
}

void print_table_head(const PlannedLayout& first) {
  const planner::ErrorInterval& interval = first.time_interval;
  fmt::print(
      "\nLayouts, the fastest first; 80% of the errors of {} published runs of "
      "their kind ({}),\neach family or model counting the same, lie within "
      "the range\n",
      interval.runs, interval.kind);
  fmt::print(
      "  {:>3} {:>7} {:>6} {:>8} {:>7} {:>6} {:>6} {:>7} {:>4} {:>5} {:9} "
      "{:>8} "
      "{:>13} {:>7} {:>5} {:>8} {:>9}\n",
      "", "GPUs", "tensor", "pipeline", "virtual", "data", "expert", "context",
      "ZeRO", "micro", "recompute", "step s", "80% range", "TFLOP/s", "MFU",
      "memory", "tokens/s");
}

void print_row(const std::string& label, const PlannedLayout& p) {
  const planner::Layout& l = p.layout;
  fmt::print(
      "  {:>3} {:>7} {:>6} {:>8} {:>7} {:>6} {:>6} {:>7} {:>4} {:>5} {:9} "
      "{:>8.4g} "
      "{:>13} {:>7.1f} {:>4.1f}% {:>8} {:>9}{}\n",
      label, p.num_devices, l.tensor, l.pipeline, l.virtual_stages, l.data,
      l.expert, l.context, l.zero_stage, l.micro_batch_size, l.recomputation,
      p.cost.seconds, range(p.time_interval, p.cost.seconds),
      p.flops_per_device / 1e12, 100 * p.mfu, gigabytes(p.memory.needed()),
      planner::quantity_text(p.tokens_per_second, Unit::kCount),
      p.fits ? "" : "  DOES NOT FIT");
}

std::string details(const planner::Layout& layout) {
  std::string text;
  if (layout.tensor > 1) {
    text += layout.sequence_parallel ? " (sequence parallel)"
                                     : " (without sequence parallelism)";
  }
  if (layout.pipeline == 1) return text;
  if (layout.embedding_slot) text += "; the embedding counts as a layer";
  if (layout.head_slot) text += "; the head counts as a layer";
  return text;
}

void print_terms(const PlannedLayout& p) {
  fmt::print("\nWhere the time of a step goes{}\n", details(p.layout));
  std::vector<size_t> order;
  for (size_t i = 0; i < planner::kNumTerms; ++i) {
    if (p.cost.terms[i] > 0) order.push_back(i);
  }
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return p.cost.terms[a] > p.cost.terms[b];
  });
  for (const size_t i : order) {
    fmt::print("  {:20} {:>11.3f} ms {:>6.2f}%\n",
               planner::term_name(static_cast<Term>(i)), 1e3 * p.cost.terms[i],
               100 * p.cost.terms[i] / p.cost.seconds);
  }
  fmt::print("  {:20} {:>11.3f} ms\n", "all", 1e3 * p.cost.seconds);
}

void print_memory(const Plan& plan, const PlannedLayout& p) {
  const MemoryUse& use = p.memory;
  const double capacity = plan.request.cluster.cluster.device.memory_bytes;
  fmt::print("\nWhere the memory of the heaviest GPU goes\n");
  const auto line = [](const char* name, double bytes) {
    fmt::print("  {:32} {:>8.2f} GB\n", name, bytes / kGigabyte);
  };
  for (const auto& [name, bytes] : planner::kMemoryParts) {
    if (use.*bytes > 0) line(name, use.*bytes);
  }
  line("all", use.needed());
  fmt::print(
      "  of {}; 80% range {:.3g}-{:.3g} GB; an allocator without pressure "
      "would hold {} more\n",
      gigabytes(capacity), p.memory_interval.low(use.needed()) / kGigabyte,
      p.memory_interval.high(use.needed()) / kGigabyte,
      gigabytes(use.reserve - use.fragments));
}

void print_sensitivities(const Plan& plan) {
  if (plan.sensitivities.empty()) return;
  fmt::print(
      "\nWhat one percent more of a figure is worth in the step's time "
      "(the same layout; for memory, all searched anew)\n");
  for (const planner::Sensitivity& s : plan.sensitivities) {
    fmt::print("  {:22} {:>+8.3f}%\n", s.figure, 100 * s.step_change);
  }
}

void print_run(const Plan& plan) {
  if (!plan.run) return;
  fmt::print("\n{}",
             planner::forecast_text(*plan.run, plan.request.cluster.cluster));
  if (plan.growth) fmt::print("\n{}", planner::growth_text(*plan.growth));
}

void print_missing(const planner::MissingMemory& missing, bool none_fits) {
  fmt::print("\n{}\n", none_fits ? "No layout fits; the nearest:"
                                 : "Faster, but does not fit:");
  print_row("-", missing.planned);
  fmt::print("  {} missing; the most goes to {}: {}\n",
             gigabytes(missing.missing_bytes), missing.heaviest_part,
             gigabytes(missing.heaviest_bytes));
  if (missing.nearest_fitting) {
    const bool drops = !missing.dropped_rules.empty();
    fmt::print("  the nearest that fits{}: {}\n",
               drops ? ", without " + joined(missing.dropped_rules) : "",
               joined(missing.changes));
    print_row("-", *missing.nearest_fitting);
  } else if (missing.devices_that_fit > 0) {
    fmt::print("  on {} GPUs a layout fits\n",
               with_thousands(missing.devices_that_fit));
  }
}

}  // namespace

void print_plan(const Plan& plan) {
  const bool none_fits = plan.layouts.empty();
  const PlannedLayout& first = shown_layout(plan);
  print_head(plan);
  print_honesty(plan, first);
  print_idle(plan, first);
  print_table_head(first);
  for (size_t i = 0; i < plan.layouts.size(); ++i) {
    print_row(fmt::format("{}", i + 1), plan.layouts[i]);
  }
  if (plan.does_not_fit) print_missing(*plan.does_not_fit, none_fits);
  print_terms(first);
  print_memory(plan, first);
  print_sensitivities(plan);
  print_run(plan);
}

}  // namespace colossus::cli
