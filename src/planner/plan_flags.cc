#include "planner/plan_flags.h"

#include <algorithm>

#include "base/error.h"
#include "base/strings.h"
#include "planner/calibration_file.h"

namespace colossus::planner {
namespace {

const std::string kParallel = "parallel";

Precision parse_precision(const std::string& word) {
  static const std::vector<std::pair<std::string, Precision>> kWords = {
      {"bf16", Precision::kBf16},
      {"fp16", Precision::kFp16},
      {"fp8", Precision::kFp8},
      {"fp4", Precision::kFp4}};
  std::vector<std::string> names;
  for (const auto& [name, precision] : kWords) {
    if (name == word) return precision;
    names.push_back(name);
  }
  throw user_error("--precision '{}' must be bf16, fp16, fp8 or fp4{}", word,
                   did_you_mean(word, names));
}

void check_framework(const std::string& name) {
  std::vector<std::string> names;
  for (const FrameworkRow& row : framework_table()) {
    if (row.framework == name) return;
    if (names.empty() || names.back() != row.framework) {
      names.push_back(row.framework);
    }
  }
  std::string list;
  for (const std::string& known : names) {
    list += (list.empty() ? "" : ", ") + known;
  }
  throw user_error("--framework '{}' is none of {}{}", name, list,
                   did_you_mean(name, names));
}

// "parallel" of "parallel.tensor<=8".
std::string section_of(const std::string& assignment) {
  return assignment.substr(0, assignment.find_first_of(".<>="));
}

void check_section(const std::string& assignment) {
  const std::vector<std::string> sections = {
      kParallel,  "cluster",  "gpu",   "node",  "network",
      "failures", "recovery", "power", "price", "delivery"};
  const std::string section = section_of(assignment);
  if (std::find(sections.begin(), sections.end(), section) != sections.end()) {
    return;
  }
  const std::string meant = did_you_mean(section, sections);
  throw user_error(
      "--set {}: unknown section '{}'{}", assignment, section,
      meant.empty() ? "; sections are parallel (of the layout) and those of a "
                      "cluster's file"
                    : meant);
}

// The key of the cluster's figure that a measured one replaces.
std::string replaced_key(const std::string& measured) {
  return measured == "nvlink.latency" ? "gpu.nvlink_latency" : measured;
}

void use_calibration(const std::string& path, PlanRequest& request) {
  const LoadedCalibration measured = load_calibration(path);
  request.calibration = measured.calibration;
  request.calibration_source = path;
  const std::vector<std::string> unknown_tiers =
      apply_links(measured, request.cluster.cluster);
  for (const std::string& tier : unknown_tiers) {
    request.notes.push_back(path + " measured the tier '" + tier +
                            "', which the cluster does not have");
  }
  std::vector<Input>& inputs = request.cluster.inputs;
  for (const Input& input : measured.inputs) {
    const bool is_used = std::none_of(
        unknown_tiers.begin(), unknown_tiers.end(),
        [&](const std::string& tier) {
          return input.key.starts_with("network.tier." + tier + ".");
        });
    if (!is_used) continue;
    std::erase_if(inputs, [&](const Input& earlier) {
      return earlier.key == replaced_key(input.key);
    });
    inputs.push_back(input);
  }
}

}  // namespace

PlanRequest read_plan_request(const PlanFlags& flags) {
  PlanRequest request;
  check_framework(flags.framework);
  std::vector<std::string> of_cluster;
  for (const std::string& assignment : flags.overrides) {
    check_section(assignment);
    if (section_of(assignment) == kParallel) {
      add_layout_rule(assignment, request.rules);
    } else {
      of_cluster.push_back(assignment);
    }
  }
  LoadedTransformer model = load_transformer(flags.model);
  request.model = model.model;
  request.model_source = flags.model;
  request.notes = model.notes;
  request.cluster = cluster_of(flags.cluster, of_cluster);
  request.cluster_source = flags.cluster;
  request.seq_len = flags.seq_len;
  const Batch batch = parse_batch_tokens(flags.batch_tokens, flags.seq_len);
  request.global_batch_sequences = batch.sequences;
  if (!batch.note.empty()) request.notes.push_back(batch.note);
  if (!flags.tokens.empty()) {
    request.num_tokens =
        parse_quantity(flags.tokens, Unit::kCount, "--tokens", "the run");
  }
  if (!flags.start.empty()) {
    request.start_day = parse_day(flags.start, "--start");
  }
  if (!flags.calibration.empty()) use_calibration(flags.calibration, request);
  request.precision = parse_precision(flags.precision);
  request.framework = flags.framework;
  request.framework_version = flags.framework_version;
  request.num_layouts = flags.num_layouts;
  validate(request);
  return request;
}

}  // namespace colossus::planner
