#include "coordinator/recovery_rules.h"

#include <algorithm>

#include "base/error.h"

namespace colossus::coordinator {
namespace {

// The last step of `view` that can be trusted whatever its hash.
int64_t trusted_up_to(const StartRequest& request, int64_t view) {
  int64_t step = 0;
  for (const TrustedSteps& known : request.views) {
    if (known.view == view) step = known.up_to;
  }
  for (const MachineAnswer& answer : request.answers) {
    if (answer.checked.view == view) step = std::max(step, answer.checked.step);
  }
  return step;
}

// A view started from this very state, whichever view wrote it.
bool is_known(const StartRequest& request, const SliceCopy& copy) {
  const auto slice = static_cast<size_t>(copy.slice);
  return std::any_of(
      request.known.begin(), request.known.end(), [&](const KnownState& known) {
        return known.step == copy.step && slice < known.hash_S.size() &&
               known.hash_S[slice] == copy.hash;
      });
}

struct Candidate {
  int64_t machine = 0;
  const SliceCopy* copy = nullptr;
};

std::vector<Candidate> trusted_copies(const StartRequest& request) {
  std::vector<Candidate> candidates;
  int64_t known_view = kNone;
  int64_t limit = 0;
  for (const MachineAnswer& answer : request.answers) {
    for (const SliceCopy& copy : answer.copies) {
      if (copy.view != known_view) {
        known_view = copy.view;
        limit = trusted_up_to(request, copy.view);
      }
      const bool trusted = copy.step <= limit || is_known(request, copy) ||
                           request.mutation == Mutation::kTrustUncheckedCopies;
      if (copy.sound && trusted) candidates.push_back({answer.machine, &copy});
    }
  }
  return candidates;
}

// Steps that some copy has, the greatest first.
std::vector<int64_t> steps_of(const std::vector<Candidate>& candidates) {
  std::vector<int64_t> steps;
  for (const Candidate& c : candidates) {
    if (std::find(steps.begin(), steps.end(), c.copy->step) == steps.end()) {
      steps.push_back(c.copy->step);
    }
  }
  std::sort(steps.rbegin(), steps.rend());
  return steps;
}

// Fills in sources if every slice has one of `step`, and no two disagree.
bool complete_at(const StartRequest& request,
                 const std::vector<Candidate>& candidates, int64_t step,
                 StartChoice& choice) {
  const auto num_shards = static_cast<size_t>(request.num_shards);
  choice.machines_S.assign(num_shards, {});
  choice.hash_S.assign(num_shards, {});
  for (const Candidate& c : candidates) {
    if (c.copy->step != step) continue;
    const auto slice = static_cast<size_t>(c.copy->slice);
    COLOSSUS_CHECK(slice < num_shards, "slice {} of {}", slice, num_shards);
    std::vector<int64_t>& machines = choice.machines_S[slice];
    if (machines.empty()) {
      choice.hash_S[slice] = c.copy->hash;
    } else if (choice.hash_S[slice] != c.copy->hash) {
      return false;
    }
    if (machines.empty() || machines.back() != c.machine) {
      machines.push_back(c.machine);
    }
  }
  return std::none_of(choice.machines_S.begin(), choice.machines_S.end(),
                      [](const auto& machines) { return machines.empty(); });
}

void take_checkpoint(const StartRequest& request, StartChoice& choice) {
  choice.step = request.checkpoint_step;
  choice.from_checkpoint = true;
  choice.machines_S.clear();
  choice.hash_S.clear();
  choice.reason = request.checkpoint_step == 0
                      ? "from the initial values"
                      : fmt::format("restored from the checkpoint of step {}",
                                    request.checkpoint_step);
}

// For the view's reason: the journal has no other record of a flip at rest on
// the only machine.
std::string unsound_text(const StartRequest& request) {
  std::string text;
  for (const MachineAnswer& answer : request.answers) {
    for (const SliceCopy& copy : answer.copies) {
      if (copy.sound) continue;
      text += fmt::format(
          "; a copy of slice {} of step {} in the memory of machine {} fails "
          "its own hash and is left out",
          copy.slice, copy.step, answer.machine);
    }
  }
  return text;
}

}  // namespace

StartChoice choose_start(const StartRequest& request) {
  StartChoice choice;
  for (const MachineAnswer& answer : request.answers) {
    const bool unsound =
        std::any_of(answer.copies.begin(), answer.copies.end(),
                    [](const SliceCopy& copy) { return !copy.sound; });
    if (unsound) choice.unsound_machines.push_back(answer.machine);
    choice.checked = std::max(choice.checked, answer.checked);
  }
  const std::vector<Candidate> candidates = trusted_copies(request);
  const std::vector<int64_t> steps = steps_of(candidates);
  for (const int64_t step : steps) {
    if (step < request.checkpoint_step) break;
    if (!complete_at(request, candidates, step, choice)) {
      if (request.mutation != Mutation::kGreatestStepOfAny) continue;
    }
    choice.step = step;
    choice.reason = fmt::format("from step {}, which lives in memory{}", step,
                                unsound_text(request));
    return choice;
  }
  take_checkpoint(request, choice);
  choice.reason += unsound_text(request);
  return choice;
}

int64_t choose_source(const std::vector<int64_t>& machines, int64_t machine) {
  if (machines.empty()) return kFromCheckpoint;
  const bool here =
      std::find(machines.begin(), machines.end(), machine) != machines.end();
  return here ? machine : machines.front();
}

std::vector<int64_t> ranks_to_ask(const Difference& difference,
                                  const std::vector<int64_t>& ranks) {
  for (const int64_t rank : ranks) {
    if (rank != difference.first_rank && rank != difference.second_rank) {
      return {rank};
    }
  }
  return {difference.first_rank, difference.second_rank};
}

namespace {

const Recomputed* answer_of(const GradientAudit& audit, int64_t rank) {
  for (const Recomputed& answer : audit.answers) {
    if (answer.rank == rank) return &answer;
  }
  return nullptr;
}

Verdict wrong(int64_t rank, std::string reason) {
  return {Ruling::kWrong, rank, std::move(reason)};
}

Verdict settle_by_third(const Difference& d, const Recomputed& third) {
  if (third.hash == d.first_hash) {
    return wrong(
        d.second_rank,
        fmt::format("rank {} agrees with rank {} on the gradient of "
                    "shard {} at step {}: rank {} was wrong",
                    third.rank, d.first_rank, d.shard, d.step, d.second_rank));
  }
  if (third.hash == d.second_hash) {
    return wrong(
        d.first_rank,
        fmt::format("rank {} agrees with rank {} on the gradient of "
                    "shard {} at step {}: rank {} was wrong",
                    third.rank, d.second_rank, d.shard, d.step, d.first_rank));
  }
  return {
      Ruling::kStop, kNone,
      fmt::format("ranks {}, {} and {} computed three different gradients "
                  "of shard {} at step {}; check these machines",
                  d.first_rank, d.second_rank, third.rank, d.shard, d.step)};
}

Verdict settle_by_two(const Difference& d, const Hash128& first,
                      const Hash128& second) {
  if (first == second) {
    if (first != d.first_hash && first != d.second_hash) {
      return {Ruling::kStop, kNone,
              fmt::format("ranks {} and {} both computed another gradient of "
                          "shard {} at step {} the second time; check both "
                          "machines",
                          d.first_rank, d.second_rank, d.shard, d.step)};
    }
    const int64_t rank = first != d.first_hash ? d.first_rank : d.second_rank;
    return wrong(rank, fmt::format("rank {} computed another gradient of shard "
                                   "{} at step {} the second time",
                                   rank, d.shard, d.step));
  }
  return {
      Ruling::kStop, kNone,
      fmt::format("ranks {} and {} computed different gradients of shard {} "
                  "at step {} twice, and there is no third rank to settle "
                  "it; check both machines",
                  d.first_rank, d.second_rank, d.shard, d.step)};
}

}  // namespace

Verdict settle_gradient(const GradientAudit& audit,
                        const std::vector<int64_t>& asked, Mutation mutation) {
  const Difference& d = audit.difference;
  if (mutation == Mutation::kBlameOwner) {
    return wrong(d.first_rank, "the owner is blamed");
  }
  for (const int64_t rank : asked) {
    if (answer_of(audit, rank) == nullptr) return {};
  }
  if (asked.size() == 1) return settle_by_third(d, *answer_of(audit, asked[0]));
  return settle_by_two(d, answer_of(audit, d.first_rank)->hash,
                       answer_of(audit, d.second_rank)->hash);
}

}  // namespace colossus::coordinator
