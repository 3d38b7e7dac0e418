// `colossus plan calibrate`: the planner's numbers from a user's own runs and
// nccl-tests.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/file_system.h"
#include "cli/commands.h"
#include "cli/terminal.h"
#include "planner/cluster_file.h"
#include "planner/plan_request.h"
#include "planner/user_calibration.h"
#include "planner/validation.h"

namespace colossus::cli {
namespace {

struct Options {
  std::vector<std::string> files;
  std::string cluster;
  std::vector<std::string> overrides;
  std::string out = "calibration.toml";
};

struct Measured {
  std::vector<planner::PublishedRun> runs;
  std::vector<planner::NcclTest> tests;
};

Measured read_all(const std::vector<std::string>& files) {
  Measured measured;
  for (const std::string& file : files) {
    const std::string text = read_file(file);
    if (planner::is_nccl_output(text)) {
      for (planner::NcclTest& test : planner::read_nccl_tests(text, file)) {
        measured.tests.push_back(std::move(test));
      }
    } else {
      for (planner::PublishedRun& run :
           planner::read_published_runs(text, file)) {
        measured.runs.push_back(std::move(run));
      }
    }
  }
  return measured;
}

// The one named, or the usual machines of the GPU that the tests name.
planner::Cluster cluster_of(const Options& options,
                            const std::vector<planner::NcclTest>& tests) {
  if (!options.cluster.empty()) {
    return planner::cluster_of(options.cluster, options.overrides).cluster;
  }
  int64_t ranks = 1;
  for (const planner::NcclTest& test : tests) {
    ranks = std::max(ranks, test.num_ranks);
  }
  const planner::NcclTest& test = tests.front();
  const auto device = planner::device_name_of(test.device);
  if (!device) {
    throw user_error(
        "{}:{}: the GPU '{}' is none that is known; say which cluster this is "
        "(--cluster my_cluster.toml)",
        test.source, test.line, printable(test.device));
  }
  return planner::make_cluster(*device, ranks);
}

std::string percent(double error) {
  return fmt::format("{:+.1f}%", 100 * error);
}

double median_error(const planner::UserCalibration& result,
                    double planner::CalibratedRun::*error) {
  std::vector<double> values;
  for (const planner::CalibratedRun& run : result.runs) {
    values.push_back(run.*error);
  }
  return planner::errors_of(values).median;
}

void print_runs(const planner::UserCalibration& result) {
  if (result.runs.empty()) return;
  fmt::print(
      "Step times, error before and after, and with the row left out:\n");
  for (const planner::CalibratedRun& run : result.runs) {
    fmt::print("  {:20} {:>9.4g} s {:>8} {:>8} {:>8}", printable(run.id),
               run.measured_seconds, percent(run.before), percent(run.after),
               run.left_out ? percent(*run.left_out) : "-");
    if (run.memory_before) {
      fmt::print("   memory {:>7} {:>7}", percent(*run.memory_before),
                 percent(*run.memory_after));
    }
    fmt::print("   {} columns filled\n", run.filled.size());
  }
  for (const planner::UnusedRun& run : result.unused) {
    fmt::print("  {:20} not used (line {}): {}\n", printable(run.id), run.line,
               printable(run.why));
  }
}

void print_summary(const planner::UserCalibration& result) {
  if (result.runs.empty()) return;
  const double before = median_error(result, &planner::CalibratedRun::before);
  fmt::print("\nMedian error of {} rows: before {:.1f}%, after {:.1f}%",
             result.runs.size(), 100 * before,
             100 * median_error(result, &planner::CalibratedRun::after));
  if (!result.one_factor_median) {
    fmt::print(
        "\nToo few rows to leave one out (3 are needed): nothing shows that "
        "the calibration helps with other runs.\n");
    return;
  }
  std::vector<double> left_out;
  for (const planner::CalibratedRun& run : result.runs) {
    left_out.push_back(*run.left_out);
  }
  const double unseen = planner::errors_of(left_out).median;
  fmt::print(", left out {:.1f}%; one factor for all, left out: {:.1f}%\n",
             100 * unseen, 100 * *result.one_factor_median);
  if (unseen >= before) {
    fmt::print(
        "These rows do not make predictions of one another better: keep ours "
        "until there are more.\n");
  }
}

void print_links(const planner::UserCalibration& result) {
  for (const planner::TierFit& fit : result.links) {
    fmt::print("\n{}: {} of the bandwidth, {} a step\n", fit.tier,
               fit.efficiency > 0 ? fmt::format("{:.1f}%", 100 * fit.efficiency)
                                  : "nothing known",
               fit.latency_seconds > 0
                   ? planner::quantity_text(fit.latency_seconds,
                                            planner::Unit::kSeconds)
                   : "latency not known");
    for (const planner::LinkMeasurement& test : fit.tests) {
      fmt::print(
          "  {:14} {:>6} GPUs {:>12} {:>8}, in between up to {:.0f}% slower  "
          "({}:{})\n",
          planner::collective_name(test.test->collective), test.test->num_ranks,
          planner::quantity_text(test.bytes_per_second,
                                 planner::Unit::kBytesPerSecond),
          planner::quantity_text(test.latency_seconds, planner::Unit::kSeconds),
          100 * test.slowest_between, printable(test.test->source),
          test.test->line);
    }
    if (!fit.remark.empty()) fmt::print("  {}\n", fit.remark);
  }
}

void print_numbers(const planner::UserCalibration& result) {
  using planner::NumberSource;
  const auto print_all = [&](NumberSource source, const char* title) {
    bool first = true;
    for (size_t i = 0; i < planner::kNumCalibrated; ++i) {
      const planner::UserNumber& number = result.numbers[i];
      if (number.source != source) continue;
      if (first) fmt::print("\n{}\n", title);
      first = false;
      const planner::CalibratedNumber& known = planner::calibrated_numbers()[i];
      fmt::print("  {:24}{:>11.5g} -> {:<11.5g} {:8}  {}\n", known.name,
                 number.before, number.after,
                 percent(number.after / number.before - 1), known.meaning);
    }
  };
  print_all(NumberSource::kNcclTests, "Fixed by nccl-tests:");
  print_all(NumberSource::kRows, "Determined by the rows:");
  print_all(NumberSource::kMoved,
            "Moved, but not determined by these rows alone:");
  fmt::print("\nNot determined at all, ours kept:");
  for (size_t i = 0; i < planner::kNumCalibrated; ++i) {
    if (result.numbers[i].source != NumberSource::kOurs) continue;
    fmt::print(" {}", planner::calibrated_numbers()[i].name);
  }
  fmt::print("\n");
}

// What would have no effect is refused.
void check(const Options& options, const Measured& measured) {
  if (!options.overrides.empty() && options.cluster.empty()) {
    throw user_error(
        "--set {}: it changes a figure of --cluster, which is missing",
        options.overrides.front());
  }
  if (!options.cluster.empty() && measured.tests.empty()) {
    throw user_error(
        "--cluster {}: it is of use to nccl-tests alone, and no file is the "
        "output of one",
        options.cluster);
  }
}

void run(const Options& options) {
  const Measured measured = read_all(options.files);
  check(options, measured);
  std::vector<planner::TierFit> links;
  bool is_omni_path = false;
  if (!measured.tests.empty()) {
    const planner::Cluster cluster = cluster_of(options, measured.tests);
    links = planner::fit_links(measured.tests, cluster);
    is_omni_path = cluster.network.name == "omni-path";
  }
  ThreadPool pool(2);
  const planner::UserCalibration result =
      planner::calibrate(measured.runs, links, is_omni_path, pool);
  write_file_atomically(real_file_system(), options.out,
                        planner::calibration_toml(result, options.files));
  print_runs(result);
  print_summary(result);
  print_links(result);
  print_numbers(result);
  fmt::print("\nWritten: {}\n", options.out);
}

}  // namespace

void add_plan_calibrate(CLI::App& plan) {
  CLI::App* command = add_command(
      plan, "calibrate",
      "The planner's numbers from your own runs and nccl-tests.",
      "  colossus plan calibrate my_runs.csv\n"
      "  colossus plan calibrate my_runs.csv all_reduce_perf.txt "
      "all_gather_perf.txt --cluster my_cluster.toml --out mine.toml");
  auto options = std::make_shared<Options>();
  command
      ->add_option("files", options->files,
                   "runs, as src/planner/data/published_runs.csv, and what "
                   "nccl-tests printed")
      ->required();
  command->add_option("--cluster", options->cluster,
                      "the machines of the nccl-tests: a file, or TYPE:GPUS; "
                      "without: the usual ones of their GPU");
  add_set_flag(*command, options->overrides,
               "change a figure of --cluster: --set node.nic=\"400 Gb/s\"");
  command->add_option("--out", options->out, "the file that is written")
      ->capture_default_str();
  set_action(*command, [options] { run(*options); });
}

}  // namespace colossus::cli
