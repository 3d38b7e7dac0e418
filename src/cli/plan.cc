// `colossus plan`: what a training run would take, before anyone buys machines.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <string>
#include <thread>

#include "base/error.h"
#include "base/file_system.h"
#include "cli/commands.h"
#include "cli/plan_sweep.h"
#include "cli/plan_text.h"
#include "planner/plan.h"
#include "planner/plan_flags.h"
#include "planner/plan_json.h"
#include "planner/train_config.h"

namespace colossus::cli {
namespace {

int num_threads() {
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

void require_flag(bool is_there, const char* flag, const char* example) {
  if (is_there) return;
  throw user_error("{} is missing: {} {}", flag, flag, example);
}

// Where answers go; "-" is standard output.
struct Options {
  planner::PlanFlags flags;
  std::string json, train_config, sweep, page;
};

// Standard output takes one answer.
void check_outputs(const Options& options) {
  std::vector<std::string> to_output;
  if (options.json == "-") to_output.emplace_back("--json -");
  if (options.train_config == "-") to_output.emplace_back("--train-config -");
  if (options.page == "-") to_output.emplace_back("--out -");
  if (to_output.size() > 1) {
    throw user_error("{}: only one can go to standard output",
                     fmt::join(to_output, " and "));
  }
}

void check_flags(const Options& options) {
  const planner::PlanFlags& flags = options.flags;
  require_flag(!flags.model.empty(), "--model", "configs/grok-1.toml");
  require_flag(!flags.cluster.empty(), "--cluster",
               "configs/colossus-100k.toml");
  require_flag(!flags.batch_tokens.empty(), "--batch-tokens", "32M");
  require_flag(flags.seq_len != 0, "--seq-len", "8192");
  check_outputs(options);
  if (!options.sweep.empty() && !options.train_config.empty()) {
    throw user_error(
        "--train-config {}: --sweep gives a plan for each value; leave one of "
        "the two away",
        options.train_config);
  }
}

void write(const std::string& path, const std::string& text) {
  if (path == "-") {
    fmt::print("{}", text);
  } else {
    write_file_atomically(real_file_system(), path, text);
  }
}

void write_train_config(const planner::Plan& plan, const std::string& path) {
  const planner::TrainConfig config = planner::train_config(plan);
  write(path, config.toml);
  std::string list;
  for (const std::string& part : config.not_yet) {
    list += (list.empty() ? "" : ", ") + part;
  }
  fmt::print(stderr, "{}: for `colossus train`{}\n", path,
             list.empty() ? ""
                          : ", which does not do " + list +
                                " yet: it runs shards of the same batch");
}

[[noreturn]] void throw_nothing_fits(const planner::MissingMemory& missing) {
  std::string remedy = "use GPUs with more memory, or a smaller batch";
  if (!missing.dropped_rules.empty()) {
    remedy = fmt::format("one does without {}",
                         fmt::join(missing.dropped_rules, ", "));
  } else if (missing.devices_that_fit > 0) {
    remedy = fmt::format("one does on {} GPUs", missing.devices_that_fit);
  }
  throw run_error(
      "no layout fits; the nearest misses {:.1f} GB a GPU ({}: "
      "{:.1f} GB); {}",
      missing.missing_bytes / 1e9, missing.heaviest_part,
      missing.heaviest_bytes / 1e9, remedy);
}

void write_page(const Options& options, const planner::Plan& plan,
                const planner::Sweep* sweep, ThreadPool& pool) {
  if (options.page.empty()) return;
  write(options.page, plan_page(options.flags, plan, sweep, pool));
  fmt::print(stderr, "{}: the report\n", options.page);
}

// What the page of a sweep is about: the request as it is without the sweep,
// or, where that is none, the last value that has a plan.
planner::Plan plan_beside(const planner::PlanFlags& flags,
                          const planner::Sweep& sweep, ThreadPool& pool) {
  try {
    return planner::make_plan(planner::read_plan_request(flags), pool);
  } catch (const UserError&) {
    for (size_t i = sweep.points.size(); i-- > 0;) {
      if (sweep.points[i].plan) return *sweep.points[i].plan;
    }
    throw;
  }
}

// A line for each value of --sweep.
void run_sweep(const Options& options, ThreadPool& pool) {
  const planner::Sweep sweep = planner::run_sweep(
      options.flags, planner::parse_sweep(options.sweep), pool);
  if (!options.json.empty()) write(options.json, sweep_json(sweep));
  if (options.json != "-" && options.page != "-") print_sweep(sweep);
  if (options.page.empty()) return;
  write_page(options, plan_beside(options.flags, sweep, pool), &sweep, pool);
}

void run(const Options& options) {
  check_flags(options);
  ThreadPool pool(num_threads());
  if (!options.sweep.empty()) {
    run_sweep(options, pool);
    return;
  }
  const planner::Plan plan =
      planner::make_plan(planner::read_plan_request(options.flags), pool);
  if (!options.json.empty()) write(options.json, planner::plan_json(plan));
  const bool prints =
      options.json != "-" && options.train_config != "-" && options.page != "-";
  if (prints) print_plan(plan);
  write_page(options, plan, nullptr, pool);
  if (plan.layouts.empty()) throw_nothing_fits(*plan.does_not_fit);
  if (!options.train_config.empty()) {
    write_train_config(plan, options.train_config);
  }
}

void add_flags(CLI::App& command, Options& options) {
  planner::PlanFlags& flags = options.flags;
  command.add_option("--model", flags.model,
                     "a TOML config, or a Hugging Face config.json");
  command.add_option("--cluster", flags.cluster,
                     "a cluster's TOML, or a GPU and how many: H100-SXM:1024");
  command.add_option("--batch-tokens", flags.batch_tokens,
                     "tokens a step: 33554432, 32M");
  command.add_option("--seq-len", flags.seq_len, "tokens of a sequence");
  command.add_option("--tokens", flags.tokens,
                     "tokens of the whole run: 6e12, 6T");
  command.add_option("--start", flags.start,
                     "first day of a run that grows with its cluster's "
                     "deliveries: 2024-09-01");
  command
      .add_option("--precision", flags.precision,
                  "of the layers' products: bf16, fp16, fp8 or fp4")
      ->capture_default_str();
  command
      .add_option("--framework", flags.framework,
                  "whose kernels and overlaps hold (plan validate lists "
                  "them)")
      ->capture_default_str();
  command.add_option("--framework-version", flags.framework_version,
                     "its release or year");
  command.add_option("--calibration", flags.calibration,
                     "a file of `colossus plan calibrate`; without: the "
                     "published runs'");
  command.add_option("--json", options.json,
                     "write the whole plan as JSON to this file; - for "
                     "standard output, and nothing else");
  command.add_option("--train-config", options.train_config,
                     "write the first layout as a config for `train`; - for "
                     "standard output");
  command.add_option("--out", options.page,
                     "write an HTML page that draws it; - for standard output");
  command.add_option("--sweep", options.sweep,
                     "a plan for each value of a key of --set, or of "
                     "batch-tokens, seq-len, tokens: "
                     "cluster.gpus=8192:262144:x2, "
                     "'node.nic=100 Gb/s:800 Gb/s:+100', "
                     "parallel.tensor=1,2,4,8");
  command.add_option("--layouts", flags.num_layouts, "how many to print")
      ->capture_default_str();
  add_set_flag(command, flags.overrides,
               "fix or cap a dimension (parallel.tensor=8, "
               "'parallel.pipeline<=16') or change a figure of the cluster "
               "(cluster.gpus=8192, node.nic=\"200 Gb/s\")");
}

}  // namespace

void add_plan(CLI::App& app) {
  CLI::App* command = add_command(
      app, "plan",
      "Finds the fastest layouts of a model on a cluster, and where their time "
      "and memory go.",
      "  colossus plan --model configs/grok-1.toml --cluster "
      "configs/colossus-100k.toml --batch-tokens 32M --seq-len 8192 --tokens "
      "6e12\n"
      "  colossus plan --model configs/grok-1.toml --cluster H100-SXM:1024 "
      "--batch-tokens 4M --seq-len 8192 --set parallel.tensor=8 --set "
      "'parallel.pipeline<=16'\n"
      "  colossus plan --model my/config.json --cluster B200:512 "
      "--batch-tokens 4M --seq-len 4096 --precision fp8 --set "
      "'node.nic=200 Gb/s'\n"
      "  colossus plan --model configs/grok-1.toml --cluster "
      "configs/colossus-100k.toml --batch-tokens 32M --seq-len 8192 --sweep "
      "cluster.gpus=8192:262144:x2 --out plan.html\n"
      "  colossus plan diff plan-a.json plan-b.json\n"
      "  colossus plan validate\n"
      "  colossus plan goodput --cluster configs/colossus-100k.toml");
  auto options = std::make_shared<Options>();
  add_flags(*command, *options);
  command->require_subcommand(0, 1);
  set_action(*command, [command, options] {
    if (command->get_subcommands().empty()) run(*options);
  });
  add_plan_validate(*command);
  add_plan_goodput(*command);
  add_plan_calibrate(*command);
  add_plan_diff(*command);
}

}  // namespace colossus::cli
