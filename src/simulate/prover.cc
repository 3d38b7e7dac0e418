#include "simulate/prover.h"

#include <fmt/core.h>

#include <algorithm>
#include <optional>

#include "base/clock.h"
#include "base/error.h"

namespace colossus::simulate {
namespace {

using coordinator::Mutation;

int64_t median(std::vector<int64_t>& values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + std::ssize(values) / 2;
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

struct Arguments {
  uint64_t first = 0;
  uint64_t last = 10'000;
  bool trace = false;
  bool mutations = false;
  Mutation mutation = Mutation::kNone;
};

constexpr const char* kUsage =
    "usage: prover [--seeds FIRST:LAST | --seed N] [--trace] [--mutation NAME] "
    "[--mutations]";

uint64_t parse_number(const std::string& text) {
  const bool digits = !text.empty() && text.size() < 19 &&
                      text.find_first_not_of("0123456789") == std::string::npos;
  if (!digits) throw user_error("\"{}\" is no seed; {}", text, kUsage);
  return std::stoull(text);
}

Mutation mutation_named(const std::string& name) {
  std::string names;
  for (const NamedMutation& m : all_mutations()) {
    if (name == m.name) return m.mutation;
    names += std::string(names.empty() ? "" : ", ") + m.name;
  }
  throw user_error("no mutation is called \"{}\"; there are {}", name, names);
}

Arguments parse(const std::vector<std::string>& given) {
  Arguments arguments;
  for (size_t i = 0; i < given.size(); ++i) {
    const std::string& flag = given[i];
    if (flag == "--trace") {
      arguments.trace = true;
      continue;
    }
    if (flag == "--mutations") {
      arguments.mutations = true;
      continue;
    }
    if (i + 1 == given.size()) throw user_error("{}", kUsage);
    const std::string& value = given[++i];
    if (flag == "--seed") {
      arguments.first = parse_number(value);
      arguments.last = arguments.first + 1;
    } else if (flag == "--seeds") {
      const size_t colon = value.find(':');
      if (colon == std::string::npos) throw user_error("{}", kUsage);
      arguments.first = parse_number(value.substr(0, colon));
      arguments.last = parse_number(value.substr(colon + 1));
    } else if (flag == "--mutation") {
      arguments.mutation = mutation_named(value);
    } else {
      throw user_error("unknown flag {}; {}", flag, kUsage);
    }
  }
  return arguments;
}

void print_report(const ProverReport& report, double seconds) {
  constexpr size_t kShown = 10;
  for (size_t i = 0; i < std::min(kShown, report.failures.size()); ++i) {
    const HistoryResult& failure = report.failures[i];
    fmt::print("seed {} FAILED: {}\n  {}\n", failure.seed, failure.failure,
               describe(draw_scenario(failure.seed)));
  }
  fmt::print("{} histories, {} failed; {:.0f} a minute\n", report.num_histories,
             report.failures.size(),
             static_cast<double>(report.num_histories) * 60 / seconds);
  fmt::print(
      "medians: {} ranks, {} messages delivered, {} faults, {} views, "
      "{} steps\n",
      report.median_ranks, report.median_messages, report.median_faults,
      report.median_views, report.median_steps);
  fmt::print(
      "connections broke in {} of them; {} ended at their limit of losses\n",
      report.num_broken, report.num_gave_up);
}

int show_mutations(const Arguments& arguments) {
  int missed = 0;
  for (const NamedMutation& m : all_mutations()) {
    const HistoryResult result =
        first_failure(arguments.first, arguments.last, m.mutation);
    const bool caught = !result.failure.empty();
    missed += !caught;
    fmt::print("{:<24} {}\n", m.name,
               caught ? fmt::format("seed {}: {}", result.seed, result.failure)
                      : std::string("NOT CAUGHT"));
  }
  return missed == 0 ? 0 : 1;
}

int run_prover(const Arguments& arguments) {
  if (arguments.mutations) return show_mutations(arguments);
  if (arguments.trace) {
    const HistoryResult result =
        run_history(arguments.first, arguments.mutation, true);
    return result.failure.empty() ? 0 : 1;
  }
  const Clock& clock = real_clock();
  const double start = clock.steady_seconds();
  const ProverReport report =
      prove(arguments.first, arguments.last, arguments.mutation);
  print_report(report, clock.steady_seconds() - start);
  return report.failures.empty() ? 0 : 1;
}

}  // namespace

ProverReport prove(uint64_t first, uint64_t last, Mutation mutation) {
  ProverReport report;
  std::vector<int64_t> ranks, messages, faults, views, steps;
  for (uint64_t seed = first; seed < last; ++seed) {
    HistoryResult result = run_history(seed, mutation);
    ranks.push_back(result.num_ranks);
    messages.push_back(result.num_messages);
    faults.push_back(result.num_faults);
    views.push_back(result.num_views);
    steps.push_back(result.num_steps);
    report.num_gave_up += result.gave_up;
    report.num_broken += result.num_broken > 0;
    if (!result.failure.empty()) report.failures.push_back(std::move(result));
    ++report.num_histories;
  }
  report.median_ranks = median(ranks);
  report.median_messages = median(messages);
  report.median_faults = median(faults);
  report.median_views = median(views);
  report.median_steps = median(steps);
  return report;
}

HistoryResult first_failure(uint64_t first, uint64_t last, Mutation mutation) {
  for (uint64_t seed = first; seed < last; ++seed) {
    HistoryResult result = run_history(seed, mutation);
    if (!result.failure.empty()) return result;
  }
  return {};
}

const std::vector<NamedMutation>& all_mutations() {
  static const std::vector<NamedMutation> kAll = {
      {Mutation::kActOnOldWords, "act_on_old_words"},
      {Mutation::kBeginBeforeAllAnswers, "begin_before_all_answers"},
      {Mutation::kGreatestStepOfAny, "greatest_step_of_any"},
      {Mutation::kTrustUncheckedCopies, "trust_unchecked_copies"},
      {Mutation::kBackupWithOwner, "backup_with_owner"},
      {Mutation::kActBeforeJournal, "act_before_journal"},
      {Mutation::kStateWithoutRecord, "state_without_record"},
      {Mutation::kDoNotFence, "do_not_fence"},
      {Mutation::kCommitWithoutBackup, "commit_without_backup"},
      {Mutation::kStartTwice, "start_twice"},
      {Mutation::kAnswerBeforeLettingGo, "answer_before_letting_go"},
      {Mutation::kSkipTransferHash, "skip_transfer_hash"},
      {Mutation::kOverwriteLastStep, "overwrite_last_step"},
      {Mutation::kObeyOldOrders, "obey_old_orders"},
      {Mutation::kSkipInterruptedStep, "skip_interrupted_step"},
      {Mutation::kSaveOfOldView, "save_of_old_view"},
      {Mutation::kNeverRepeatOrders, "never_repeat_orders"},
      {Mutation::kIgnoreSilence, "ignore_silence"},
      {Mutation::kBlameOwner, "blame_owner"},
      {Mutation::kSoftAfterLoss, "soft_after_loss"},
      {Mutation::kSaveLeastStep, "save_least_step"},
      {Mutation::kWaitForLostSource, "wait_for_lost_source"},
      {Mutation::kSoftBeforeAllEntered, "soft_before_all_entered"},
      {Mutation::kIgnoreCutLinks, "ignore_cut_links"},
      {Mutation::kBelieveOldComplaints, "believe_old_complaints"},
      {Mutation::kCountReleasedRanks, "count_released_ranks"},
      {Mutation::kCountLossesBehindSteps, "count_losses_behind_steps"},
      {Mutation::kLeaveBeforeAllHealed, "leave_before_all_healed"},
  };
  return kAll;
}

int prover_main(const std::vector<std::string>& arguments) {
  try {
    return run_prover(parse(arguments));
  } catch (const UserError& error) {
    fmt::print(stderr, "prover: {}\n", error.what());
    return 2;
  }
}

}  // namespace colossus::simulate
