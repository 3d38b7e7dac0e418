#include "planner/plan_request.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/file_system.h"
#include "base/strings.h"
#include "config/rules.h"

namespace colossus::planner {
namespace {

using config::require;

constexpr std::string_view kPrefix = "parallel.";
constexpr int64_t kMaxBatch = int64_t{1} << 32;   // sequences
constexpr int64_t kMaxSeqLen = int64_t{1} << 31;  // tokens
constexpr int64_t kMaxLayouts = 1000;             // to print
constexpr int64_t kMaxValue = int64_t{1} << 32;   // of a dimension

struct Assignment {
  std::string name, relation, value;
};

Assignment parse(const std::string& text) {
  const size_t at = text.find_first_of("<>=");
  require(at != std::string::npos && at > 0,
          "--set {}: write it as key=value, key<=value or key>=value", text);
  Assignment result;
  result.name = text.substr(0, at);
  result.relation = text.substr(at, text[at] == '=' ? 1 : 2);
  require(result.relation == "=" || result.relation == "<=" ||
              result.relation == ">=",
          "--set {}: '{}' must be =, <= or >=", text, result.relation);
  result.value = text.substr(at + result.relation.size());
  return result;
}

// One dimension with its rule: whichever of the three is not null.
struct Dimension {
  std::string name;
  Range* range = nullptr;
  bool is_choice = false;
  int64_t least = 1, most = kMaxValue;
};

std::vector<Dimension> dimensions_of(LayoutRules& rules) {
  return {{"tensor", &rules.tensor},
          {"pipeline", &rules.pipeline},
          {"virtual_stages", &rules.virtual_stages},
          {"data", &rules.data},
          {"expert", &rules.expert},
          {"context", &rules.context},
          {"zero_stage", &rules.zero_stage, false, 0, 3},
          {"micro_batch_size", &rules.micro_batch_size},
          {"recomputation"},
          {"sequence_parallel", &rules.sequence_parallel, true, 0, 1},
          {"embedding_slot", &rules.embedding_slot, true, 0, 1},
          {"head_slot", &rules.head_slot, true, 0, 1}};
}

int64_t choice_of(const std::string& value, const std::string& where) {
  require(value == "true" || value == "false", "{} must be true or false",
          where);
  return value == "true" ? 1 : 0;
}

int64_t number_of(const Dimension& dimension, const std::string& value,
                  const std::string& where) {
  // parse_count refuses 0.
  const int64_t number = value == "0" ? 0 : parse_count(value, "--set", where);
  config::require_range(where, number, dimension.least, dimension.most);
  return number;
}

void narrow(const Assignment& rule, const Dimension& dimension,
            const std::string& where) {
  Range& range = *dimension.range;
  if (dimension.is_choice) {
    require(rule.relation == "=", "--set {}: true and false want =", where);
  }
  const int64_t value = dimension.is_choice
                            ? choice_of(rule.value, "--set " + where)
                            : number_of(dimension, rule.value, where);
  if (rule.relation != "<=") range.least = std::max(range.least, value);
  if (rule.relation != ">=") range.most = std::min(range.most, value);
  require(range.least <= range.most,
          "--set {}{}{}: with the rules before, {} would be at least {} and at "
          "most {}",
          where, rule.relation, rule.value, where, range.least, range.most);
}

void fix_recomputation(const Assignment& rule, const std::string& where,
                       LayoutRules& rules) {
  const std::vector<std::string> words = {"none", "selective", "full"};
  require(rule.relation == "=", "--set {}: words want =", where);
  require(std::find(words.begin(), words.end(), rule.value) != words.end(),
          "--set {} = '{}' must be none, selective or full{}", where,
          rule.value, did_you_mean(rule.value, words));
  require(rules.recomputation.empty() || rules.recomputation == rule.value,
          "--set {}: it is '{}' by the rule before", where,
          rules.recomputation);
  rules.recomputation = rule.value;
}

bool is_cluster_type(const std::string& text) {
  const size_t colon = text.find(':');
  return colon != std::string::npos && text.find('/') == std::string::npos &&
         !text.ends_with(".toml");
}

}  // namespace

bool LayoutRules::allow(const Layout& layout) const {
  return tensor.holds(layout.tensor) && pipeline.holds(layout.pipeline) &&
         virtual_stages.holds(layout.virtual_stages) &&
         data.holds(layout.data) && expert.holds(layout.expert) &&
         context.holds(layout.context) && zero_stage.holds(layout.zero_stage) &&
         micro_batch_size.holds(layout.micro_batch_size) &&
         sequence_parallel.holds(layout.sequence_parallel) &&
         embedding_slot.holds(layout.embedding_slot) &&
         head_slot.holds(layout.head_slot) &&
         (recomputation.empty() || recomputation == layout.recomputation);
}

void add_layout_rule(const std::string& assignment, LayoutRules& rules) {
  const Assignment rule = parse(assignment);
  const std::string name = rule.name.starts_with(kPrefix)
                               ? rule.name.substr(kPrefix.size())
                               : rule.name;
  const std::vector<Dimension> dimensions = dimensions_of(rules);
  const auto at =
      std::find_if(dimensions.begin(), dimensions.end(),
                   [&](const Dimension& d) { return d.name == name; });
  if (at == dimensions.end()) {
    std::vector<std::string> names;
    for (const Dimension& d : dimensions) names.push_back(d.name);
    throw user_error("--set {}: a layout has no '{}'{}", rule.name, name,
                     did_you_mean(name, names));
  }
  const std::string where = std::string(kPrefix) + name;
  if (at->range == nullptr) {
    fix_recomputation(rule, where, rules);
  } else {
    narrow(rule, *at, where);
  }
  rules.texts.push_back(where + rule.relation + rule.value);
}

Arithmetic PlanRequest::arithmetic() const { return arithmetic_of(precision); }

SoftwareDefaults PlanRequest::software() const {
  SoftwareFacts facts;
  facts.framework = framework;
  facts.version = framework_version;
  facts.precision = precision_name(precision);
  facts.model_name = model.name;
  facts.device = cluster.cluster.device.name;
  facts.num_devices = cluster.cluster.num_devices;
  facts.arithmetic = arithmetic();
  facts.has_experts = model.has_experts();
  facts.has_latent_attention = model.has_latent_attention();
  return software_defaults(facts);
}

void validate(const PlanRequest& request) {
  config::require_range("--seq-len", request.seq_len, 1, kMaxSeqLen);
  config::require_range("the batch's sequences", request.global_batch_sequences,
                        1, kMaxBatch);
  config::require_range("--layouts", request.num_layouts, 1, kMaxLayouts);
  const int64_t positions = request.model.learned_positions;
  require(positions == 0 || request.seq_len <= positions,
          "--seq-len = {} is beyond the model's table of {} positions",
          request.seq_len, positions);
  require(request.num_tokens == 0 ||
              request.num_tokens >= request.tokens_per_step(),
          "--tokens = {:.6g} must be at least the {:.6g} of one step",
          request.num_tokens, request.tokens_per_step());
  if (request.start_day) {
    const std::string day = day_text(*request.start_day);
    require(request.num_tokens > 0,
            "--start {}: it is the first day of a run, whose --tokens are "
            "missing",
            day);
    require(!request.cluster.cluster.deliveries.empty(),
            "--start {}: the cluster has no deliveries that a run could grow "
            "with (--set delivery.{}={})",
            day, day, request.cluster.cluster.num_devices);
  }
  const Device& device = request.cluster.cluster.device;
  const bool is_16_bit = request.arithmetic() == Arithmetic::k16Bit;
  require(is_16_bit || device.peak(request.precision) > 0,
          "--precision {}: {} has no such matrix units",
          precision_name(request.precision), device.name);
}

Batch parse_batch_tokens(const std::string& text, int64_t seq_len) {
  const std::string flag = "--batch-tokens";
  config::require_range("--seq-len", seq_len, 1, kMaxSeqLen);
  const int64_t tokens = parse_count(text, flag, "the batch");
  if (tokens % seq_len == 0) return {tokens / seq_len, ""};
  const char suffix = text.back();
  if (suffix == 'k' || suffix == 'M' || suffix == 'G') {
    const std::string name =
        text.substr(0, text.size() - 1) + (suffix == 'k' ? 'K' : suffix) + "i";
    const int64_t binary = parse_count(name, flag, "the batch");
    if (binary % seq_len == 0) {
      return {binary / seq_len,
              fmt::format("{} {} is read as {} tokens, {} sequences: {} is no "
                          "multiple of {}",
                          flag, text, with_thousands(binary),
                          with_thousands(binary / seq_len),
                          with_thousands(tokens), seq_len)};
    }
  }
  throw user_error("{} = {} must be a multiple of --seq-len = {}: {} or {}",
                   flag, tokens, seq_len, tokens / seq_len * seq_len,
                   (tokens / seq_len + 1) * seq_len);
}

LoadedCluster cluster_of(const std::string& text,
                         const std::vector<std::string>& overrides) {
  const std::vector<std::string> types = device_names();
  if (std::find(types.begin(), types.end(), text) != types.end()) {
    throw user_error("--cluster {}: how many? Write {}:1024", text, text);
  }
  if (!is_cluster_type(text)) return load_cluster(text, overrides);
  const size_t colon = text.find(':');
  const std::string where = "--cluster " + text;
  const Device device =
      device_named(text.substr(0, colon), where + ": the GPU");
  const int64_t gpus =
      parse_count(text.substr(colon + 1), where, "the number of GPUs");
  const int64_t of_node =
      std::min(gpus, node_named(device.node, where).num_devices);
  return read_cluster(
      fmt::format("[cluster]\nname = \"{} {}\"\ngpu = \"{}\"\ngpus = {}\n"
                  "[node]\ngpus = {}\n",
                  gpus, device.name, device.name, gpus, of_node),
      where, overrides);
}

}  // namespace colossus::planner
