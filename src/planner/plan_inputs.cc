#include "planner/plan_inputs.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace colossus::planner {
namespace {

Input software_input(const PlanRequest& request) {
  const SoftwareDefaults software = request.software();
  std::string words;
  for (const FrameworkRow& row : framework_table()) {
    const bool is_of_it = row.framework == software.framework &&
                          request.framework_version >= row.from_version;
    if (is_of_it) words = row.words;
  }
  const std::string version =
      request.framework_version.empty() ? "" : " " + request.framework_version;
  return {"software",
          fmt::format("{}{}: {}", software.framework, version, words),
          Grade::kAssumed, "src/planner/software.cc"};
}

// Those that no calibration file gave, in units of their own: "0.798474".
std::vector<Input> calibration_inputs(const PlanRequest& request) {
  const std::vector<Input>& given = request.cluster.inputs;
  std::vector<Input> inputs;
  for (size_t i = 0; i < kNumCalibrated; ++i) {
    const CalibratedNumber& number = calibrated_numbers()[i];
    const std::string key = std::string("calibration.") + number.name;
    const bool is_given =
        std::any_of(given.begin(), given.end(),
                    [&](const Input& input) { return input.key == key; });
    if (is_given) continue;
    const bool is_fitted = number.fitted_to != FittedTo::kNothing;
    const bool is_guess = !is_fitted && number.sigma == 0;
    inputs.push_back(
        {key,
         fmt::format("{:.6g} {}", calibrated_value(request.calibration, i),
                     number.unit),
         is_guess ? Grade::kAssumed : Grade::kMeasured,
         "fitted to published runs"});
  }
  return inputs;
}

}  // namespace

std::vector<Input> inputs_of(const PlanRequest& request) {
  std::vector<Input> inputs = request.cluster.inputs;
  inputs.push_back(
      {"model", request.model.name, Grade::kGiven, request.model_source});
  inputs.push_back({"precision", precision_name(request.precision),
                    Grade::kGiven, "--precision"});
  inputs.push_back(software_input(request));
  if (request.model.has_experts()) {
    inputs.push_back({"routing", "every expert gets as many tokens",
                      Grade::kAssumed, "docs/planner.md"});
  }
  const std::vector<Input> calibration = calibration_inputs(request);
  inputs.insert(inputs.end(), calibration.begin(), calibration.end());
  return inputs;
}

std::vector<Input> assumed(const std::vector<Input>& inputs) {
  std::vector<Input> found;
  std::copy_if(inputs.begin(), inputs.end(), std::back_inserter(found),
               [](const Input& i) { return i.grade == Grade::kAssumed; });
  return found;
}

}  // namespace colossus::planner
