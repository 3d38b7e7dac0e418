// `colossus plan goodput`: what faults and power make of a long run, in closed
// form and event by event.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/terminal.h"
#include "planner/checkpoint_interval.h"
#include "planner/cluster_file.h"
#include "planner/goodput_simulation.h"
#include "planner/goodput_validation.h"
#include "planner/quantity_fields.h"
#include "planner/run_forecast.h"

namespace colossus::cli {
namespace {

using planner::Unit;

struct Options {
  std::string cluster;
  std::vector<std::string> overrides;
  int64_t num_devices = 0;
  std::string step_time = "10 s";
  std::string wait = "10%";
  std::string checkpoint = "5 TB";
  std::string steps_time = "90 days";
  int64_t num_runs = 100;
  int64_t seed = 1;
  bool validate = false;
  bool json = false;
};

// A struct's figures in base units, by key: "time_seconds".
template <typename Struct>
nlohmann::ordered_json figures_json(Struct component) {
  nlohmann::ordered_json json;
  for (const planner::QuantityField& field :
       planner::quantities_of(component, "")) {
    const std::string name = planner::name_with_unit(field);
    std::visit([&](const auto* value) { json[name] = *value; }, field.value);
  }
  return json;
}

nlohmann::ordered_json inputs_json(const std::vector<planner::Input>& inputs) {
  nlohmann::ordered_json json = nlohmann::ordered_json::array();
  for (const planner::Input& input : inputs) {
    json.push_back({{"key", input.key},
                    {"value", input.text},
                    {"grade", planner::grade_name(input.grade)},
                    {"where", input.where}});
  }
  return json;
}

std::string percent(double share) {
  return fmt::format("{:.1f}%", 100 * share);
}

// A published figure: a share, or hours.
std::string figure(const planner::ScoredGoodput& scored, double value) {
  return scored.row.formula == "time_between" ? fmt::format("{:.3g} h", value)
                                              : percent(value);
}

std::string verdict(const planner::ScoredGoodput& scored) {
  if (scored.row.relation == "above") return scored.holds ? "holds" : "fails";
  return fmt::format("{:+.1f}%", 100 * scored.error);
}

void print_published(const planner::ScoredGoodput& scored) {
  const bool bound = scored.row.relation == "above";
  fmt::print("{:5}{:47}{:>9} {:>9} {:>8}\n", scored.id, scored.row.what,
             (bound ? ">" : "") + figure(scored, scored.row.published),
             figure(scored, scored.computed), verdict(scored));
  std::string inputs;
  for (const planner::Input& input : scored.inputs) {
    inputs += fmt::format("{}{} {}", inputs.empty() ? "" : ", ", input.key,
                          input.text);
    if (input.grade == planner::Grade::kAssumed) inputs += " (assumed)";
  }
  fmt::print("     {}; {}: {}\n", scored.row.definition, scored.row.formula,
             inputs);
  if (scored.allowed_seconds > 0) {
    fmt::print("     a stop each {}; the published share allows it {}\n",
               planner::quantity_text(scored.between_seconds, Unit::kSeconds),
               planner::quantity_text(scored.allowed_seconds, Unit::kSeconds));
  }
  if (scored.computed_of_uptime > 0) {
    fmt::print("     were that the running time between stops alone: {}\n",
               percent(scored.computed_of_uptime));
  }
}

void validate(bool as_json) {
  const std::vector<planner::ScoredGoodput> all = planner::validate_goodput();
  if (as_json) {
    nlohmann::ordered_json rows = nlohmann::ordered_json::array();
    for (const planner::ScoredGoodput& scored : all) {
      nlohmann::ordered_json row = {{"id", scored.id},
                                    {"computed", scored.computed},
                                    {"error", scored.error},
                                    {"holds", scored.holds}};
      row.update(figures_json(scored.row));
      row["inputs"] = inputs_json(scored.inputs);
      rows.push_back(std::move(row));
    }
    fmt::print("{}\n", rows.dump(2));
    return;
  }
  fmt::print(
      "Published goodputs and what the formulas make of their sources' inputs "
      "(docs/goodput.md);\na bound holds or fails, else the error\n\n"
      "{:52}{:>9} {:>9} {:>8}\n",
      "", "published", "computed", "error");
  for (const planner::ScoredGoodput& scored : all) print_published(scored);
}

// What is asked, and the numbers that follow from it.
struct Question {
  planner::LoadedCluster loaded;
  planner::RunNeeds needs;
  planner::FailureModel model;
};

Question read_question(const Options& options) {
  if (options.cluster.empty()) {
    throw user_error("--cluster is missing; or --validate");
  }
  Question q;
  q.loaded = planner::load_cluster(options.cluster, options.overrides);
  const planner::Cluster& cluster = q.loaded.cluster;
  q.model = planner::failure_model_of(cluster);
  const auto quantity = [](const std::string& text, Unit unit,
                           const std::string& flag) {
    return planner::parse_quantity(text, unit, "the command line", flag);
  };
  planner::RunNeeds& needs = q.needs;
  needs.num_devices = options.num_devices > 0
                          ? options.num_devices
                          : planner::devices_beside_spares(cluster, q.model);
  if (needs.num_devices > cluster.num_devices) {
    throw user_error("--gpus {}: the cluster has {}", needs.num_devices,
                     cluster.num_devices);
  }
  needs.step_seconds =
      quantity(options.step_time, Unit::kSeconds, "--step-time");
  const double wait = quantity(options.wait, Unit::kShare, "--wait");
  needs.exposed_wait_seconds_of_step = needs.step_seconds * wait;
  needs.compute_seconds_of_step = needs.step_seconds * (1 - wait);
  needs.checkpoint_bytes =
      quantity(options.checkpoint, Unit::kBytes, "--checkpoint");
  needs.num_steps = quantity(options.steps_time, Unit::kSeconds, "--time") /
                    needs.step_seconds;
  return q;
}

// One way to recover, in closed form and simulated.
struct Way {
  std::string strategy;
  planner::JobFaults job;
  planner::RunForecast forecast;
  planner::Simulation plain;           // without tails, bursts and waiting
  planner::GoodputParts plain_closed;  // of the same
  planner::Simulation whole;           // with all of them
};

planner::JobFaults without_tails(planner::JobFaults job) {
  for (planner::RandomTime* time :
       {&job.detection, &job.restart, &job.heal, &job.repair}) {
    *time = {time->mean(), 1};
  }
  job.burstiness = 0;
  return job;
}

Way look_at(const Question& q, const std::string& strategy,
            const Options& options, ThreadPool& pool) {
  Way way;
  way.strategy = strategy;
  planner::FailureModel model = q.model;
  model.recovery.strategy = strategy;
  way.forecast = planner::forecast_run(q.needs, q.loaded.cluster, model);
  way.job = planner::job_faults(model, q.needs.num_devices,
                                q.needs.step_seconds, q.needs.checkpoint_bytes);
  if (options.num_runs == 0) return way;
  planner::SimulationOptions simulation;
  simulation.useful_seconds = way.forecast.step_seconds;
  simulation.interval = way.forecast.checkpoint_interval_seconds;
  simulation.num_runs = options.num_runs;
  simulation.seed = static_cast<uint64_t>(options.seed);
  const planner::JobFaults plain = without_tails(way.job);
  way.plain = planner::simulate_goodput(plain, simulation, pool);
  way.plain_closed = planner::goodput(plain, simulation.interval, 1);
  simulation.spare_nodes =
      static_cast<int64_t>(way.forecast.spare_nodes.expected);
  way.whole = planner::simulate_goodput(way.job, simulation, pool);
  return way;
}

// What the formulas for the interval say where no write bounds it.
void print_intervals(const Way& way) {
  const double rate = planner::checkpoint_rate(way.job);
  const double cost = way.job.checkpoint_seconds;
  const auto time = [](double seconds) {
    return planner::quantity_text(seconds, Unit::kSeconds);
  };
  fmt::print(
      "Checkpoint interval, were it written at once: Young {}, Daly {}, "
      "exactly {}\n",
      time(planner::young_interval(cost, rate)),
      time(planner::daly_interval(cost, rate)),
      time(planner::exact_interval(cost, rate)));
}

// Runs without an end count with what they had reached.
void print_given_up(const std::vector<Way>& ways, int64_t num_runs) {
  for (const Way& way : ways) {
    const int64_t plain = way.plain.num_given_up();
    const int64_t whole = way.whole.num_given_up();
    if (plain + whole == 0) continue;
    fmt::print("  {}: {} of {} runs gave up without tails, {} of {} with all\n",
               way.strategy, plain, num_runs, whole, num_runs);
  }
}

void print_ways(const std::vector<Way>& ways, const Options& options) {
  fmt::print(
      "\nWays to recover (recovery.strategy), goodput\n"
      "  {:9}{:>9} {:>13} | {:>9} {:>16} | {:>9} {:>16} {:>9}\n",
      "", "closed", "80% of fleets", "no tails", "simulated", "all",
      "80% of runs", "waiting");
  for (const Way& way : ways) {
    const planner::RunForecast& f = way.forecast;
    fmt::print("  {:9}{:>9} {:>5.1f} to {:>4.1f} |", way.strategy,
               percent(f.goodput.expected), 100 * f.goodput.low,
               100 * f.goodput.high);
    if (options.num_runs == 0) {
      fmt::print(" not simulated\n");
      continue;
    }
    fmt::print(" {:>9} {:>8.2f} +- {:.2f} | {:>9} {:>7.1f} to {:>5.1f} {:>9}\n",
               percent(way.plain_closed.useful), 100 * way.plain.mean.useful,
               100 * way.plain.standard_error, percent(way.whole.mean.useful),
               100 * way.whole.low, 100 * way.whole.high,
               percent(way.whole.mean.waiting));
  }
  if (options.num_runs > 0) {
    fmt::print(
        "  {} runs of each, event by event: without tails, as the closed form "
        "has them (mean and its\n  standard error); then with tails, bursts of "
        "faults and the spares above\n",
        options.num_runs);
    print_given_up(ways, options.num_runs);
  }
}

nlohmann::ordered_json simulation_json(const planner::Simulation& s) {
  return {{"runs", s.runs.size()},
          {"runs_given_up", s.num_given_up()},
          {"mean", figures_json(s.mean)},
          {"standard_error", s.standard_error},
          {"low", s.low},
          {"high", s.high}};
}

void print_json(const Question& q, const std::vector<Way>& ways) {
  nlohmann::ordered_json json;
  json["cluster"] = q.loaded.cluster.name;
  json["gpus"] = q.needs.num_devices;
  json["strategy"] = q.model.recovery.strategy;
  for (const Way& way : ways) {
    nlohmann::ordered_json entry = {{"forecast", figures_json(way.forecast)},
                                    {"warnings", way.forecast.warnings}};
    if (!way.whole.runs.empty()) {
      entry["closed_without_tails"] = figures_json(way.plain_closed);
      entry["simulated_without_tails"] = simulation_json(way.plain);
      entry["simulated"] = simulation_json(way.whole);
    }
    json["strategies"][way.strategy] = std::move(entry);
  }
  json["inputs"] = inputs_json(q.loaded.inputs);
  fmt::print("{}\n", json.dump(2));
}

void print_inputs(const planner::LoadedCluster& loaded) {
  fmt::print("\nWhat this rests on (docs/goodput.md has the sources)\n");
  for (const planner::Input& input : loaded.inputs) {
    const bool used = input.key.starts_with("failures.") ||
                      input.key.starts_with("recovery.") ||
                      input.key.starts_with("power.") ||
                      input.key.starts_with("price.");
    if (!used) continue;
    fmt::print("  {:34}{:>12}  {:10} {}\n", input.key, printable(input.text),
               planner::grade_name(input.grade), printable(input.where));
  }
}

void forecast(const Options& options) {
  const Question q = read_question(options);
  ThreadPool pool(2);
  std::vector<Way> ways;
  for (const char* strategy : {"restart", "memory", "heal"}) {
    ways.push_back(look_at(q, strategy, options, pool));
  }
  if (options.json) {
    print_json(q, ways);
    return;
  }
  fmt::print(
      "{}: a job of {} GPUs, steps of {}, {} of them waiting; strategy "
      "{}\n\n",
      printable(q.loaded.cluster.name), q.needs.num_devices, options.step_time,
      options.wait, q.model.recovery.strategy);
  for (const Way& way : ways) {
    if (way.strategy != q.model.recovery.strategy) continue;
    fmt::print("{}", planner::forecast_text(way.forecast, q.loaded.cluster));
    print_intervals(way);
  }
  print_ways(ways, options);
  print_inputs(q.loaded);
}

void run(const Options& options) {
  if (options.validate) {
    validate(options.json);
  } else {
    forecast(options);
  }
}

}  // namespace

void add_plan_goodput(CLI::App& plan) {
  CLI::App* command = add_command(
      plan, "goodput",
      "What faults, checkpoints and power make of a long run on a cluster.",
      "  colossus plan goodput --cluster configs/colossus-100k.toml\n"
      "  colossus plan goodput --cluster configs/colossus-100k.toml --gpus "
      "80000 --step-time '6 s' --set recovery.strategy=heal\n"
      "  colossus plan goodput --validate");
  auto options = std::make_shared<Options>();
  command->add_option("--cluster", options->cluster, "the cluster's file");
  add_set_flag(*command, options->overrides);
  command
      ->add_option("--gpus", options->num_devices,
                   "of the job; without: all but the spares it wants")
      ->check(CLI::PositiveNumber);
  command->add_option("--step-time", options->step_time, "of one step")
      ->capture_default_str();
  command
      ->add_option("--wait", options->wait,
                   "share of a step in which all GPUs wait for each other")
      ->capture_default_str();
  command
      ->add_option("--checkpoint", options->checkpoint, "bytes of a checkpoint")
      ->capture_default_str();
  command
      ->add_option("--time", options->steps_time,
                   "of all steps, if nothing failed")
      ->capture_default_str();
  command
      ->add_option("--runs", options->num_runs,
                   "runs to simulate of each kind; 0: closed form alone")
      ->check(CLI::Range(0, 100000))
      ->capture_default_str();
  command->add_option("--seed", options->seed, "of the simulation")
      ->capture_default_str();
  command->add_flag("--validate", options->validate,
                    "published goodputs beside what the formulas say");
  command->add_flag("--json", options->json, "one JSON value, base units");
  set_action(*command, [options] { run(*options); });
}

}  // namespace colossus::cli
