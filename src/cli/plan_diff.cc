// `colossus plan diff`: what changed from one plan to another, term by term.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "base/file_system.h"
#include "cli/commands.h"
#include "cli/terminal.h"
#include "planner/plan_diff.h"
#include "planner/plan_json.h"

namespace colossus::cli {
namespace {

struct Options {
  std::string before, after;
};

planner::Plan load(const std::string& path) {
  return planner::read_plan_json(read_file(path), path);
}

void run(const Options& options) {
  const planner::PlanDiff diff =
      planner::diff_plans(load(options.before), load(options.after));
  fmt::print(
      "{}", printable(planner::diff_text(diff, options.before, options.after)));
}

}  // namespace

void add_plan_diff(CLI::App& plan) {
  CLI::App* command = add_command(
      plan, "diff",
      "What changed from one plan to another: inputs, layout, each term of "
      "time and memory, the run.",
      "  colossus plan diff plan-a.json plan-b.json   (each written by "
      "colossus "
      "plan --json)");
  auto options = std::make_shared<Options>();
  command->add_option("before", options->before, "written by plan --json")
      ->required();
  command->add_option("after", options->after, "written by plan --json")
      ->required();
  set_action(*command, [options] { run(*options); });
}

}  // namespace colossus::cli
