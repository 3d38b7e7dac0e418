#include "planner/plan_json.h"

#include <algorithm>
#include <array>

#include "config/rules.h"
#include "config/strict_json.h"
#include "planner/json_record.h"

namespace colossus::planner {

namespace {

constexpr config::JsonLimits kLimits = {.bytes = size_t{16} << 20, .depth = 16};
const std::string kSchema = "colossus-plan";

// An enum by the names of its values.
template <typename Json, typename Enum, size_t n>
void visit_enum(Json& json, const std::string& name, Enum& value,
                const std::array<std::pair<Enum, const char*>, n>& names) {
  std::string word;
  for (const auto& [known, known_word] : names) {
    if (known == value) word = known_word;
  }
  json.field(name, word);
  for (const auto& [known, known_word] : names) {
    if (word != known_word) continue;
    value = known;
    return;
  }
  throw user_error("'{}' = '{}' is unknown", name, word.substr(0, 40));
}

template <typename Json>
void visit(Json& json, Layout& layout) {
  visit_listed_fields(json, layout);
}

template <typename Json>
void visit(Json& json, Input& input) {
  static constexpr std::array<std::pair<Grade, const char*>, 4> kGrades = {
      {{Grade::kMeasured, "measured"},
       {Grade::kPublished, "published"},
       {Grade::kAssumed, "assumed"},
       {Grade::kGiven, "given"}}};
  json.field("key", input.key);
  json.field("value", input.text);
  visit_enum(json, "grade", input.grade, kGrades);
  json.field("where", input.where);
}

template <typename Json>
void visit(Json& json, NetworkTier& tier) {
  json.field("name", tier.name);
  visit_listed_quantities(json, tier);
}

template <typename Json>
void visit(Json& json, Delivery& delivery) {
  std::string day = day_text(delivery.day);
  json.field("day", day);
  delivery.day = parse_day(day, "'day'");
  json.field("gpus", delivery.num_devices);
}

template <typename Json>
void visit(Json& json, Cluster& cluster) {
  const auto quantities = [](Json& inner, auto& component) {
    visit_listed_quantities(inner, component);
  };
  const auto named = [](Json& inner, auto& component) {
    inner.field("name", component.name);
    visit_listed_quantities(inner, component);
  };
  json.field("name", cluster.name);
  json.field("gpus", cluster.num_devices);
  json.section("gpu", cluster.device, named);
  json.section("node", cluster.node, named);
  json.section("network", cluster.network, [&](Json& inner, Network& network) {
    named(inner, network);
    inner.list("tiers", network.tiers,
               [](Json& item, NetworkTier& tier) { visit(item, tier); });
  });
  json.section("failures", cluster.failures, quantities);
  json.section("recovery", cluster.recovery, quantities);
  json.section("power", cluster.power, quantities);
  json.section("price", cluster.prices, quantities);
  json.list("delivery", cluster.deliveries,
            [](Json& item, Delivery& delivery) { visit(item, delivery); });
}

template <typename Json>
void visit_inputs(Json& json, const std::string& name,
                  std::vector<Input>& inputs) {
  json.list(name, inputs, [](Json& item, Input& input) { visit(item, input); });
}

template <typename Json>
void visit_rules(Json& json, LayoutRules& rules) {
  std::vector<std::string> texts = rules.texts;
  json.texts("rules", texts);
  if constexpr (Json::kReads) {
    for (const std::string& text : texts) add_layout_rule(text, rules);
  }
}

template <typename Json>
void visit(Json& json, PlanRequest& request) {
  static constexpr std::array<std::pair<Precision, const char*>, 4>
      kPrecisions = {{{Precision::kBf16, "bf16"},
                      {Precision::kFp16, "fp16"},
                      {Precision::kFp8, "fp8"},
                      {Precision::kFp4, "fp4"}}};
  json.section("model", request.model, [](Json& inner, Transformer& model) {
    visit_listed_fields(inner, model);
  });
  json.field("model_source", request.model_source);
  json.section("cluster", request.cluster.cluster,
               [](Json& inner, Cluster& cluster) { visit(inner, cluster); });
  json.field("cluster_source", request.cluster_source);
  json.field("global_batch_sequences", request.global_batch_sequences);
  json.field("seq_len_tokens", request.seq_len);
  json.amount("run_tokens", request.num_tokens);
  json.optional("start_day", request.start_day, [](Json& inner, int64_t& day) {
    std::string text = day_text(day);
    inner.field("day", text);
    day = parse_day(text, "'start_day'");
  });
  visit_enum(json, "precision", request.precision, kPrecisions);
  json.field("framework", request.framework);
  json.field("framework_version", request.framework_version);
  visit_rules(json, request.rules);
  json.field("num_layouts", request.num_layouts);
  json.section("calibration", request.calibration,
               [](Json& inner, Calibration& calibration) {
                 for (size_t i = 0; i < kNumCalibrated; ++i) {
                   inner.field(calibrated_numbers()[i].name,
                               calibrated_value(calibration, i));
                 }
               });
  json.field("calibration_source", request.calibration_source);
  json.texts("notes", request.notes);
}

template <typename Json>
void visit(Json& json, StepCost& cost) {
  for (size_t i = 0; i < kNumTerms; ++i) {
    std::string name = term_name(static_cast<Term>(i));
    std::replace_if(
        name.begin(), name.end(), [](char c) { return c == ' ' || c == '-'; },
        '_');
    json.field(name + "_seconds", cost.terms[i]);
  }
}

template <typename Json>
void visit(Json& json, MemoryUse& use) {
  json.amount("states_bytes", use.states);
  json.amount("gathered_bytes", use.gathered);
  json.amount("activations_bytes", use.activations);
  json.amount("live_bytes", use.live);
  json.amount("buffers_bytes", use.buffers);
  json.amount("reserve_bytes", use.reserve);
  json.amount("fragments_bytes", use.fragments);
  json.amount("contexts_bytes", use.contexts);
}

// `value`: for the ends of the interval, which are written for others and
// follow from `half`.
template <typename Json>
void visit_interval(Json& json, const std::string& name,
                    ErrorInterval& interval, double value) {
  json.section(name, interval, [&](Json& inner, ErrorInterval& i) {
    double low = i.low(value), high = i.high(value);
    inner.field("low", low);
    inner.field("high", high);
    inner.amount("half_of_logarithm", i.half);
    inner.field("kind", i.kind);
    inner.field("runs", i.runs);
    inner.field("families_or_models", i.units);
  });
}

template <typename Json>
void visit(Json& json, PlannedLayout& planned) {
  json.section("layout", planned.layout,
               [](Json& inner, Layout& layout) { visit(inner, layout); });
  json.field("gpus", planned.num_devices);
  json.field("step_seconds", planned.cost.seconds);
  visit_interval(json, "step_seconds_80_percent", planned.time_interval,
                 planned.cost.seconds);
  json.section("terms", planned.cost,
               [](Json& inner, StepCost& cost) { visit(inner, cost); });
  json.section("memory", planned.memory,
               [](Json& inner, MemoryUse& use) { visit(inner, use); });
  double needed = planned.memory.needed();
  json.field("needed_bytes", needed);
  visit_interval(json, "needed_bytes_80_percent", planned.memory_interval,
                 needed);
  json.field("fits", planned.fits);
  json.amount("tokens_per_second", planned.tokens_per_second);
  json.amount("flops_per_gpu", planned.flops_per_device);
  json.amount("mfu", planned.mfu);
  json.field("extrapolates", planned.extrapolates);
}

template <typename Json>
void visit(Json& json, MissingMemory& missing) {
  const auto visit_planned = [](Json& inner, PlannedLayout& planned) {
    visit(inner, planned);
  };
  json.section("planned", missing.planned, visit_planned);
  json.amount("missing_bytes", missing.missing_bytes);
  json.field("heaviest_part", missing.heaviest_part);
  json.amount("heaviest_bytes", missing.heaviest_bytes);
  json.optional("nearest_fitting", missing.nearest_fitting, visit_planned);
  json.texts("dropped_rules", missing.dropped_rules);
  json.texts("changes", missing.changes);
  json.amount("gpus_that_fit", missing.devices_that_fit);
}

template <typename Json>
void visit(Json& json, Sensitivity& sensitivity) {
  json.field("figure", sensitivity.figure);
  json.field("change", sensitivity.change);
  json.field("step_change", sensitivity.step_change);
  json.field("all_layouts_searched_anew", sensitivity.is_searched);
}

template <typename Json>
void visit(Json& json, RunForecast& run) {
  visit_listed_quantities(json, run);
  json.texts("warnings", run.warnings);
}

template <typename Json>
void visit(Json& json, Growth& growth) {
  json.field("ends", growth.ends);
  json.field("start_day", growth.start_day);
  json.field("end_day", growth.end_day);
  json.amount("tokens", growth.num_tokens);
  json.amount("resize_days", growth.resize_days);
  json.list("phases", growth.phases, [](Json& item, GrowthPhase& phase) {
    item.field("first_day", phase.first_day);
    item.field("last_day", phase.last_day);
    item.field("gpus", phase.num_devices);
    item.amount("tokens", phase.num_tokens);
  });
}

template <typename Json>
void visit(Json& json, SearchCounts& counts) {
  json.amount("legal", counts.legal);
  json.amount("evaluated", counts.evaluated);
  json.amount("seconds", counts.seconds);
}

template <typename Json>
void visit(Json& json, Plan& plan) {
  std::string schema = kSchema;
  int64_t version = kPlanSchemaVersion;
  json.field("schema", schema);
  json.field("schema_version", version);
  config::require(schema == kSchema, "'schema' = '{}' must be '{}'",
                  schema.substr(0, 40), kSchema);
  config::require(version == kPlanSchemaVersion,
                  "'schema_version' = {}; this program reads {}", version,
                  kPlanSchemaVersion);
  json.section("request", plan.request, [](Json& inner, PlanRequest& request) {
    visit(inner, request);
  });
  json.amount("total_parameters", plan.total_parameters);
  json.amount("active_parameters", plan.active_parameters);
  json.section("search", plan.counts,
               [](Json& inner, SearchCounts& counts) { visit(inner, counts); });
  json.list("layouts", plan.layouts,
            [](Json& item, PlannedLayout& planned) { visit(item, planned); });
  json.optional(
      "does_not_fit", plan.does_not_fit,
      [](Json& inner, MissingMemory& missing) { visit(inner, missing); });
  json.list("sensitivities", plan.sensitivities,
            [](Json& item, Sensitivity& s) { visit(item, s); });
  json.optional("run", plan.run,
                [](Json& inner, RunForecast& run) { visit(inner, run); });
  json.optional("growth", plan.growth,
                [](Json& inner, Growth& growth) { visit(inner, growth); });
  visit_inputs(json, "inputs", plan.inputs);
  json.texts("warnings", plan.warnings);
}

// What a reader relies on beyond types.
void check(const PlannedLayout& planned, const PlanRequest& request,
           const std::string& source) {
  config::require(planned.cost.seconds > 0, "{}: a layout has no time", source);
  for (const double seconds : planned.cost.terms) {
    config::require(seconds >= 0, "{}: a term of a step is below 0", source);
  }
  Cluster job = request.cluster.cluster;
  job.num_devices = planned.num_devices;
  const std::vector<std::string> broken =
      violations(request.model, job, request.global_batch_sequences,
                 request.seq_len, planned.layout);
  config::require(broken.empty(), "{}: {}", source,
                  broken.empty() ? "" : broken.front());
}

void check(const Calibration& calibration, const std::string& source) {
  for (size_t i = 0; i < kNumCalibrated; ++i) {
    const double value = calibrated_value(calibration, i);
    config::require(value > 0, "{}: calibration.{} = {} must be above 0",
                    source, calibrated_numbers()[i].name, value);
  }
}

void check(const Plan& plan, const std::string& source) {
  const PlanRequest& request = plan.request;
  check(request.calibration, source);
  validate(request.model, source + ": model.");
  validate(request.cluster.cluster, source);
  validate(request);
  config::require(!plan.layouts.empty() || plan.does_not_fit,
                  "{}: it has no layout", source);
  for (const PlannedLayout& planned : plan.layouts) {
    check(planned, request, source);
  }
  if (!plan.does_not_fit) return;
  check(plan.does_not_fit->planned, request, source);
  if (plan.does_not_fit->nearest_fitting) {
    check(*plan.does_not_fit->nearest_fitting, request, source);
  }
}

}  // namespace

std::string plan_json(const Plan& plan) {
  Plan copy = plan;
  nlohmann::ordered_json root;
  JsonWriter writer(root);
  visit(writer, copy);
  return root.dump(2) + "\n";
}

Plan read_plan_json(const std::string& text, const std::string& source) {
  const nlohmann::json root = config::parse_strict_json(text, source, kLimits);
  Plan plan;
  JsonReader reader(root, source);
  try {
    visit(reader, plan);
    reader.refuse_others();
    plan.request.cluster.inputs = plan.inputs;
    check(plan, source);
  } catch (const UserError& error) {
    const std::string words = error.what();
    if (words.starts_with(source)) throw;
    throw user_error("{}: {}", source, words);
  }
  return plan;
}

}  // namespace colossus::planner
