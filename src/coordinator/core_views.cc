// The two rounds of a view change: when PREPARE, when and what BEGIN.
#include <algorithm>
#include <tuple>

#include "base/error.h"
#include "coordinator/core.h"
#include "coordinator/placement_rules.h"

namespace colossus::coordinator {

void CoordinatorCore::prepare(int64_t stop_step, bool verify,
                              const std::string& reason) {
  audit_.reset();
  asked_.clear();
  prepared_us_ = now_us_;
  record(PrepareBegun{state_.number + 1, stop_step, verify, reason});
}

// Empty: all that have a part in the view live.
std::string CoordinatorCore::reason_for_loss() const {
  if (state_.begun == nullptr) return {};
  const config::Placement& placement = state_.begun->view.placement;
  for (const auto* ranks : {&placement.owner_S, &placement.backup_S}) {
    for (const int64_t rank : *ranks) {
      if (rank == config::kNoBackup || state_.rank(rank) != nullptr) continue;
      return lost_reason_.empty() ? fmt::format("rank {} was lost", rank)
                                  : lost_reason_;
    }
  }
  const std::string source = reason_for_lost_source();
  return source.empty() ? reason_for_lost_giver() : source;
}

// Who still waits for a slice from a machine that is gone waits for ever.
std::string CoordinatorCore::reason_for_lost_source() const {
  if (options_.mutation == Mutation::kWaitForLostSource) return {};
  const BegunView& begun = *state_.begun;
  const auto waits = [&](int64_t rank, int64_t source) {
    if (source == kFromCheckpoint) return false;
    const MachineState* machine = state_.machine(source);
    if (machine != nullptr && machine->present) return false;
    const RankSlot* slot = reported_slot(rank);
    return slot == nullptr || slot->view != begun.view.number || !slot->healed;
  };
  const config::Placement& placement = begun.view.placement;
  for (size_t s = 0; s < placement.owner_S.size(); ++s) {
    if (waits(placement.owner_S[s], begun.owner_source_S[s]) ||
        waits(placement.backup_S[s], begun.backup_source_S[s])) {
      return fmt::format("slice {} was to come from a machine that was lost",
                         s);
    }
  }
  return {};
}

// Whose connection broke has left the view, also if the other rank had no part
// in it and only gave slices.
std::string CoordinatorCore::reason_for_lost_giver() const {
  for (const RankState& rank : state_.ranks) {
    const RankSlot* slot = reported_slot(rank.rank);
    const bool complains = slot != nullptr &&
                           slot->view == state_.begun->view.number &&
                           slot->unreachable != kNone;
    if (!complains || state_.rank(slot->unreachable) != nullptr) continue;
    return fmt::format("rank {} cannot reach rank {}, which is gone", rank.rank,
                       slot->unreachable);
  }
  return {};
}

std::vector<config::Member> CoordinatorCore::ready_among(
    const std::vector<RankState>& ranks) const {
  std::vector<config::Member> members;
  for (const RankState& rank : ranks) {
    const RankSlot* slot = reported_slot(rank.rank);
    if (slot != nullptr && slot->ready) {
      members.push_back({rank.rank, rank.machine, slot->endpoint});
    }
  }
  return members;
}

// Those of a machine that leaves only while there are no others.
std::vector<config::Member> CoordinatorCore::ready_members() const {
  std::vector<config::Member> staying = ready_among(staying_ranks());
  return staying.empty() ? ready_among(state_.ranks) : staying;
}

// No more than wanted: the newest on the fullest machine stay out, but owners
// of the present view, and the last one on a machine.
std::vector<config::Member> CoordinatorCore::members_of_view() const {
  std::vector<config::Member> members = ready_members();
  const auto owns = [this](int64_t rank) {
    if (state_.begun == nullptr) return false;
    const auto& owners = state_.begun->view.placement.owner_S;
    return std::find(owners.begin(), owners.end(), rank) != owners.end();
  };
  const auto beside = [&members](int64_t machine) {
    return std::count_if(
        members.begin(), members.end(),
        [machine](const auto& m) { return m.machine == machine; });
  };
  const int64_t wanted = state_.wanted_ranks + state_.wanted_spares;
  while (std::ssize(members) > wanted) {
    auto out = members.begin();
    for (auto m = members.begin(); m != members.end(); ++m) {
      const auto key = [&](const config::Member& member) {
        return std::tuple(beside(member.machine), !owns(member.rank),
                          member.rank);
      };
      if (key(*m) > key(*out)) out = m;
    }
    if (beside(out->machine) == 1) break;
    members.erase(out);
  }
  return members;
}

// Several ranks that start together join together.
bool CoordinatorCore::waits_for_starting_ranks() const {
  const std::vector<RankState> staying = staying_ranks();
  const bool all_ready = ready_among(staying).size() == staying.size();
  return !all_ready && now_us_ - start_wait_us_ < options_.join_patience_us;
}

std::string CoordinatorCore::reason_for_leaving() const {
  if (ready_among(staying_ranks()).empty() || waits_for_starting_ranks()) {
    return {};
  }
  for (const MachineState& machine : state_.machines) {
    if (!machine.leaves || !view_needs(machine.machine)) continue;
    return fmt::format("machine {} leaves: others take over its shards",
                       machine.machine);
  }
  return {};
}

std::string CoordinatorCore::reason_for_resize() const {
  const int64_t hosting =
      std::ssize(config::hosting_ranks(state_.begun->view.placement));
  const int64_t wanted = std::min(state_.wanted_ranks, options_.num_shards);
  if (hosting > wanted) {
    return fmt::format("shrinks from {} to {} ranks", hosting, wanted);
  }
  if (hosting == wanted || waits_for_starting_ranks()) return {};
  const auto members = ready_members();
  const int64_t possible = std::min(wanted, std::ssize(members));
  // Without a better maximum of shards a rank nothing is won.
  const auto most = [this](int64_t ranks) {
    return (options_.num_shards + ranks - 1) / ranks;
  };
  if (possible <= hosting || most(possible) >= most(hosting)) return {};
  return fmt::format("grows from {} to {} ranks", hosting, possible);
}

// A slice whose copies share a rank or a machine though they need not.
std::string CoordinatorCore::reason_for_protection() const {
  const config::View& view = state_.begun->view;
  const auto members = members_of_view();
  if (members.size() < 2 || waits_for_starting_ranks()) return {};
  const bool machines =
      members.front().machine != members.back().machine ||
      std::any_of(members.begin(), members.end(), [&](const config::Member& m) {
        return m.machine != members.front().machine;
      });
  const auto machine_of = [&](int64_t rank) {
    const RankState* known = state_.rank(rank);
    return known == nullptr ? kNone : known->machine;
  };
  for (size_t s = 0; s < view.placement.owner_S.size(); ++s) {
    const int64_t backup = view.placement.backup_S[s];
    if (backup == config::kNoBackup) {
      return "a second rank is there to hold a backup";
    }
    const int64_t owner = view.placement.owner_S[s];
    if (machines && machine_of(backup) == machine_of(owner)) {
      return "backups move to another machine";
    }
  }
  return {};
}

// The next commit that no rank is known to be past. Whoever is past it stops at
// once; whoever is not reaches it, since all have a part in it until then.
// Unless some rank did not enter the view: then no commit can be counted on.
int64_t CoordinatorCore::soft_stop_step() const {
  const config::View& view = state_.begun->view;
  for (const RankState& rank : state_.ranks) {
    if (!takes_part(rank.rank)) continue;
    if (options_.mutation == Mutation::kSoftBeforeAllEntered) break;
    const RankSlot* slot = reported_slot(rank.rank);
    if (slot == nullptr || slot->view != view.number) return kAtOnce;
  }
  return committed_step_ + 1;
}

void CoordinatorCore::prepare_if_needed() {
  const std::string loss = reason_for_loss();
  if (state_.preparing) {
    // A commit that PREPARE allows for cannot come any more.
    const bool soft = state_.stop_step != kAtOnce &&
                      options_.mutation != Mutation::kSoftAfterLoss;
    if (soft && !loss.empty()) prepare(kAtOnce, state_.verify, loss);
    return;
  }
  if (state_.begun == nullptr) {
    const auto wanted = std::min(state_.wanted_ranks, options_.num_shards);
    const auto ready = std::ssize(ready_members());
    const bool enough = ready >= wanted && !waits_for_starting_ranks();
    const bool late = ready > 0 && !waits_for_starting_ranks();
    if (enough || late) prepare(kAtOnce, false, "the run starts");
    return;
  }
  if (!loss.empty()) return prepare(kAtOnce, false, loss);
  if (state_.begun->save_and_stop) return;
  const int64_t soft_step = soft_stop_step();
  if (state_.stop_asked) {
    return prepare(soft_step, false, "a stop was asked for");
  }
  if (committed_step_ >= options_.total_steps) {
    return prepare(committed_step_, false, "all steps are done");
  }
  std::string reason = reason_for_leaving();
  if (reason.empty()) reason = reason_for_resize();
  if (reason.empty()) reason = reason_for_protection();
  if (!reason.empty()) prepare(soft_step, false, reason);
}

// Those that are given up do not count; a machine that came back does.
bool CoordinatorCore::all_answered() const {
  bool any = false;
  for (const Heard& heard : heard_) {
    if (!state_.machine(heard.machine)->present) continue;
    const bool answered = heard.reported && heard.report.answered &&
                          heard.report.number == state_.number;
    if (answered && options_.mutation == Mutation::kBeginBeforeAllAnswers) {
      return true;
    }
    if (!answered) return false;
    any = true;
  }
  return any;
}

StartChoice CoordinatorCore::start_choice() const {
  StartRequest request;
  request.num_shards = options_.num_shards;
  request.views = state_.views;
  request.known = state_.known;
  request.checkpoint_step = state_.checkpoint_step;
  request.mutation = options_.mutation;
  for (const Heard& heard : heard_) {
    if (!state_.machine(heard.machine)->present) continue;
    request.answers.push_back(
        {heard.machine, heard.report.checked, heard.report.copies});
  }
  return choose_start(request);
}

// A lost machine that is only cut off may hold what a restore would redo.
bool CoordinatorCore::waits_for_copies(const StartChoice& choice) const {
  const bool goes_back =
      choice.from_checkpoint && choice.step < committed_step_;
  const bool some_lost =
      std::any_of(state_.machines.begin(), state_.machines.end(),
                  [](const MachineState& machine) { return !machine.present; });
  return goes_back && some_lost &&
         now_us_ - prepared_us_ < options_.copy_patience_us;
}

// And the ranks of machines that leave: they give what lies there.
std::vector<config::Member> CoordinatorCore::with_givers(
    std::vector<config::Member> members) const {
  const auto is_among = [&members](int64_t rank) {
    return std::any_of(
        members.begin(), members.end(),
        [rank](const auto& member) { return member.rank == rank; });
  };
  std::vector<config::Member> givers = ready_among(state_.ranks);
  std::erase_if(givers, [&](const config::Member& member) {
    return is_among(member.rank) || !is_leaving(*state_.rank(member.rank));
  });
  members.insert(members.end(), givers.begin(), givers.end());
  std::sort(members.begin(), members.end(),
            [](const auto& a, const auto& b) { return a.rank < b.rank; });
  return members;
}

ViewBegun CoordinatorCore::view_of(const StartChoice& choice,
                                   std::vector<config::Member> members) const {
  PlacementRequest request;
  request.num_shards = options_.num_shards;
  request.wanted_ranks = state_.wanted_ranks;
  request.members = std::move(members);
  if (state_.begun != nullptr) {
    request.previous = state_.begun->view.placement;
  }
  request.machines_S = choice.machines_S;
  request.mutation = options_.mutation;
  const config::Placement placement = choose_placement(request);

  ViewBegun view;
  view.number = state_.number;
  view.start_step = choice.step;
  view.last_step = options_.total_steps;
  view.save_and_stop = state_.stop_asked || choice.step >= options_.total_steps;
  view.checked_view = choice.checked.view;
  view.checked_step = choice.checked.step;
  view.owners = placement.owner_S;
  view.backups = placement.backup_S;
  view.hashes = choice.hash_S;
  for (const config::Member& member : with_givers(request.members)) {
    view.members.push_back(member.rank);
    view.machines.push_back(member.machine);
    view.endpoints.push_back(config::word_of(member.endpoint));
  }
  if (std::all_of(view.endpoints.begin(), view.endpoints.end(),
                  [](int64_t word) { return word == 0; })) {
    view.endpoints.clear();
  }
  const auto source = [&](size_t slice, int64_t rank) {
    if (choice.from_checkpoint || rank == config::kNoBackup) {
      return kFromCheckpoint;
    }
    return choose_source(choice.machines_S[slice], state_.rank(rank)->machine);
  };
  for (size_t s = 0; s < view.owners.size(); ++s) {
    view.owner_sources.push_back(source(s, view.owners[s]));
    view.backup_sources.push_back(source(s, view.backups[s]));
  }
  const size_t hosts = config::hosting_ranks(placement).size();
  const size_t spares = request.members.size() - hosts;
  view.reason =
      fmt::format("{} {} {} shards {}; {} slices move{}", hosts,
                  hosts == 1 ? "rank takes" : "ranks take", options_.num_shards,
                  choice.reason, num_moved_slices(request, placement),
                  spares > 0 ? fmt::format("; spares: {}", spares) : "");
  return view;
}

// A rank of a machine gives its copies to other machines: while each rank that
// could give some slice only starts, it is worth waiting for.
bool CoordinatorCore::waits_for_givers(const StartChoice& choice) const {
  if (choice.from_checkpoint || !waits_for_starting_ranks()) return false;
  const std::vector<config::Member> members = ready_among(state_.ranks);
  const auto gives = [&](int64_t machine) {
    return std::any_of(members.begin(), members.end(), [&](const auto& member) {
      return member.machine == machine;
    });
  };
  return std::any_of(choice.machines_S.begin(), choice.machines_S.end(),
                     [&](const std::vector<int64_t>& machines) {
                       return std::none_of(machines.begin(), machines.end(),
                                           gives);
                     });
}

void CoordinatorCore::begin_if_answered() {
  if (!state_.preparing || !all_answered()) return;
  const StartChoice choice = start_choice();
  if (waits_for_copies(choice) || waits_for_givers(choice)) return;
  drop_unsound(choice);
  const std::vector<config::Member> members = members_of_view();
  if (members.empty()) return;
  audit_.reset();  // of the view that is over: nobody will answer
  asked_.clear();
  record(view_of(choice, members));
  committed_step_ = choice.step;
  progress_us_ = now_us_;
  lost_reason_.clear();
  slowness_.clear();
}

}  // namespace colossus::coordinator
