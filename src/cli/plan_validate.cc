// `colossus plan validate`: the planner's error on published runs that its
// calibration has not seen.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <memory>
#include <string>

#include "base/file_system.h"
#include "cli/commands.h"
#include "cli/terminal.h"
#include "planner/calibration_file.h"
#include "planner/validation.h"

namespace colossus::cli {
namespace {

struct Options {
  std::string file;
  std::string calibration;
  bool brief = false;
};

std::string percent(double share) {
  return fmt::format("{:+.1f}%", 100 * share);
}

std::string percents(const std::optional<planner::Errors>& errors) {
  if (!errors) return "-";
  return fmt::format("{:.1f} / {:.1f}", 100 * errors->median,
                     100 * errors->p90);
}

void print_defaults() {
  fmt::print("Defaults by framework, for what a row leaves open:\n");
  for (const planner::FrameworkRow& row : planner::framework_table()) {
    const std::string from =
        row.from_version.empty() ? "" : " from " + row.from_version;
    fmt::print("  {:24} {}\n", row.framework + from, row.words);
  }
}

void print_rows(const planner::Validation& validation) {
  fmt::print(
      "\nEach row, {}: seconds predicted and "
      "measured, error, the same anchored, 80% interval, columns filled\n",
      validation.is_left_out ? "its family (or model) left out"
                             : "by the calibration given");
  for (const planner::ScoredRun& run : validation.runs) {
    const double low = std::exp(-run.interval), high = std::exp(run.interval);
    fmt::print(
        "  {:16} {:>9.4g} s {:>9.4g} s {:>8} {:>8}  {:.3g}-{:.3g} s  {}\n",
        printable(run.run.id), run.predicted_seconds, run.measured_seconds,
        percent(run.cold), run.anchored ? percent(*run.anchored) : "first",
        run.predicted_seconds * low, run.predicted_seconds * high,
        run.filled.size());
  }
}

void print_groups(const planner::Validation& validation) {
  fmt::print(
      "\nErrors in percent, median / 90th percentile:\n  {:22}{:>5}  {:>13} "
      "{:>7} {:>13}   {:>13} {:>13}\n",
      "left out", "rows", "cold", "bias", "anchored", "baseline", "anchored");
  const planner::GroupErrors* before = nullptr;
  for (const planner::GroupErrors& group : validation.groups) {
    if (before == nullptr || before->group != group.group) {
      fmt::print(" {}\n", planner::group_name(group.group));
    }
    before = &group;
    fmt::print("  {:22}{:>5}  {:>13} {:>7} {:>13}   {:>13} {:>13}\n",
               printable(group.unit), group.rows, percents(group.cold),
               percent(group.cold.bias), percents(group.anchored),
               percents(group.baseline_cold),
               percents(group.baseline_anchored));
  }
}

void print_unpredicted(const planner::Validation& validation) {
  fmt::print("\n{} rows predicted, {} not\n", validation.runs.size(),
             validation.unpredicted.size());
  for (const planner::Unpredicted& row : validation.unpredicted) {
    fmt::print("  {} (line {}): {}\n", printable(row.id), row.line,
               printable(row.why));
  }
}

void print_measures(const planner::Validation& validation) {
  fmt::print("\n{:68}{:>18}  {:10} {}\n", "Measures", "value", "reach", "aim");
  for (const planner::Measure& measure : validation.measures) {
    fmt::print("  {:66}{:>18}  {:10} {}\n", measure.name, measure.value,
               measure.reach, measure.aim);
  }
}

void print_calibration(const planner::Validation& validation) {
  fmt::print("\nCalibrated numbers: {}, prior\n",
             validation.is_left_out ? "fitted to all rows" : "as given");
  const auto& numbers = planner::calibrated_numbers();
  for (size_t i = 0; i < numbers.size(); ++i) {
    fmt::print("  {:26}{:>12.6g} {:>11.6g} {:9} {}\n", numbers[i].name,
               planner::calibrated_value(validation.calibration, i),
               numbers[i].prior, numbers[i].unit, numbers[i].meaning);
  }
}

void run(const Options& options) {
  const std::vector<planner::PublishedRun> table = planner::shipped_runs();
  const std::vector<planner::PublishedRun> runs =
      options.file.empty()
          ? table
          : planner::read_published_runs(read_file(options.file), options.file);
  ThreadPool pool(2);
  const planner::Validation validation =
      options.calibration.empty()
          ? planner::validate_planner(runs, table, pool)
          : planner::validate_calibration(
                runs,
                planner::load_calibration(options.calibration).calibration);
  print_defaults();
  if (!options.brief) print_rows(validation);
  print_unpredicted(validation);
  print_groups(validation);
  print_measures(validation);
  print_calibration(validation);
}

}  // namespace

void add_plan_validate(CLI::App& plan) {
  CLI::App* command = add_command(
      plan, "validate",
      "The planner's error on published runs that its fit has not seen.",
      "  colossus plan validate\n"
      "  colossus plan validate my_runs.csv --brief\n"
      "  colossus plan validate my_runs.csv --calibration calibration.toml");
  auto options = std::make_shared<Options>();
  command->add_option("file", options->file,
                      "published runs, as src/planner/data/published_runs.csv; "
                      "without: those");
  command->add_option("--calibration", options->calibration,
                      "numbers of colossus plan calibrate, used as they are; "
                      "without: fits that leave out what they predict");
  command->add_flag("--brief", options->brief, "no line for each row");
  set_action(*command, [options] { run(*options); });
}

}  // namespace colossus::cli
