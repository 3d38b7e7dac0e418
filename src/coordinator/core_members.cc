// The members of a run: which ranks are started where, given up, or released.
#include <algorithm>

#include "base/error.h"
#include "coordinator/core.h"

namespace colossus::coordinator {

void CoordinatorCore::lose_rank(int64_t rank, const std::string& reason) {
  if (state_.rank(rank) == nullptr) return;
  lost_reason_ = reason;
  const bool forget = options_.mutation == Mutation::kCountLossesBehindSteps;
  record(RankLost{rank, forget ? 0 : committed_step_, reason});
}

bool CoordinatorCore::hosts_ranks(const MachineState& machine) const {
  return machine.present && !machine.dropped && !machine.leaves;
}

bool CoordinatorCore::is_leaving(const RankState& rank) const {
  return state_.machine(rank.machine)->leaves;
}

// Those whose machine does not leave.
std::vector<RankState> CoordinatorCore::staying_ranks() const {
  std::vector<RankState> ranks = state_.ranks;
  std::erase_if(ranks, [this](const auto& rank) { return is_leaving(rank); });
  return ranks;
}

int64_t CoordinatorCore::ranks_on(int64_t machine) const {
  return std::count_if(
      state_.ranks.begin(), state_.ranks.end(),
      [machine](const RankState& rank) { return rank.machine == machine; });
}

// The machine is named and hosts nothing more; if it is the only one, a fresh
// process has to do.
void CoordinatorCore::drop_machine_of(int64_t rank, const std::string& reason) {
  const RankState* known = state_.rank(rank);
  if (known == nullptr) return;
  const int64_t machine = known->machine;
  const bool another =
      std::any_of(state_.machines.begin(), state_.machines.end(),
                  [&](const MachineState& m) {
                    return m.machine != machine && hosts_ranks(m);
                  });
  lost_reason_ = reason;
  if (another) {
    record(MachineDropped{machine, reason});
  } else {
    lose_rank(rank, reason);
  }
}

// The one with the fewest ranks, of those that report.
std::optional<int64_t> CoordinatorCore::machine_for_new_rank() const {
  std::optional<int64_t> best;
  for (const MachineState& machine : state_.machines) {
    const Heard* heard = heard_of(machine.machine);
    if (!hosts_ranks(machine) || heard == nullptr || !heard->reported) continue;
    if (!best.has_value() || ranks_on(machine.machine) < ranks_on(*best)) {
      best = machine.machine;
    }
  }
  return best;
}

std::optional<int64_t> CoordinatorCore::machine_of_all(
    const std::vector<RankState>& ranks) {
  if (ranks.empty()) return std::nullopt;
  const int64_t machine = ranks.front().machine;
  const bool all = std::all_of(
      ranks.begin(), ranks.end(),
      [machine](const RankState& rank) { return rank.machine == machine; });
  return all ? std::optional(machine) : std::nullopt;
}

void CoordinatorCore::assign_ranks() {
  const int64_t wanted = state_.wanted_ranks + state_.wanted_spares;
  for (;;) {
    const std::optional<int64_t> machine = machine_for_new_rank();
    if (!machine.has_value()) return;
    const std::vector<RankState> ranks = staying_ranks();
    const bool too_few = std::ssize(ranks) < wanted;
    // Even beyond the wanted number: a copy on another machine is worth it.
    const std::optional<int64_t> all_on = machine_of_all(ranks);
    const bool unprotected = all_on.has_value() && ranks_on(*machine) == 0;
    if (!too_few && !unprotected) return;
    const int64_t rank = state_.next_rank;
    record(RankAssigned{
        rank, *machine,
        too_few ? fmt::format("rank {} starts on machine {}: {} of {} ranks "
                              "are there",
                              rank, *machine, ranks.size(), wanted)
                : fmt::format("rank {} starts on machine {}: all others are "
                              "on machine {}",
                              rank, *machine, all_on.value_or(kNone))});
    start_wait_us_ = now_us_;
  }
}

// Each with a part in the view has its slices: nobody gives any now.
bool CoordinatorCore::all_healed() const {
  if (state_.begun == nullptr) return true;
  if (options_.mutation == Mutation::kLeaveBeforeAllHealed) return true;
  return std::all_of(state_.ranks.begin(), state_.ranks.end(),
                     [this](const RankState& rank) {
                       if (!takes_part(rank.rank)) return true;
                       const RankSlot* slot = reported_slot(rank.rank);
                       return slot != nullptr && slot->healed &&
                              slot->view == state_.begun->view.number;
                     });
}

// Only those without a part in the view.
void CoordinatorCore::release_ranks() {
  if (state_.preparing || state_.ended || !all_healed()) return;
  for (const RankState& rank : std::vector<RankState>(state_.ranks)) {
    if (!is_leaving(rank) || view_needs(rank.machine)) continue;
    record(RankReleased{rank.rank,
                        fmt::format("rank {} is released: machine {} leaves",
                                    rank.rank, rank.machine)});
  }
  release_surplus_ranks();
}

// The newest on the fullest machine.
void CoordinatorCore::release_surplus_ranks() {
  const int64_t wanted = state_.wanted_ranks + state_.wanted_spares;
  while (state_.begun != nullptr && std::ssize(staying_ranks()) > wanted) {
    const std::vector<RankState> ranks = staying_ranks();
    const RankState* surplus = nullptr;
    for (const RankState& rank : ranks) {
      if (takes_part(rank.rank)) continue;
      if (surplus == nullptr ||
          ranks_on(rank.machine) >= ranks_on(surplus->machine)) {
        surplus = &rank;
      }
    }
    if (surplus == nullptr || ranks_on(surplus->machine) == 1) return;
    const std::string reason = fmt::format(
        "rank {} is released: {} ranks are wanted", surplus->rank, wanted);
    if (options_.mutation == Mutation::kCountReleasedRanks) {
      lose_rank(surplus->rank, reason);
    } else {
      record(RankReleased{surplus->rank, reason});
    }
  }
}

bool CoordinatorCore::view_needs(int64_t machine) const {
  return std::any_of(state_.ranks.begin(), state_.ranks.end(),
                     [&](const RankState& rank) {
                       return rank.machine == machine && takes_part(rank.rank);
                     });
}

// One that leaves, once its ranks are dead and all that it had is elsewhere.
void CoordinatorCore::note_left_machines() {
  if (state_.preparing || state_.ended || !all_healed()) return;
  for (const Heard& heard : heard_) {
    const MachineState& machine = *state_.machine(heard.machine);
    if (!machine.present || !machine.leaves || !heard.reported) continue;
    if (ranks_on(heard.machine) > 0 || !heard.report.answered ||
        heard.report.version < state_.version) {
      continue;
    }
    record(MachineLeft{
        heard.machine,
        fmt::format("machine {} has left, nothing is lost", heard.machine)});
  }
}

// The machine of who is lost mostly tells so itself, and soon, or is silent: a
// link counts as cut only if both ranks still live in the eyes of their agents
// when the complaint is old.
void CoordinatorCore::note_cut_links() {
  if (state_.begun == nullptr || state_.preparing) return;
  if (options_.mutation == Mutation::kIgnoreCutLinks) return;
  const std::optional<CutLink> link = old_cut_link();
  if (!link.has_value()) return;
  lose_rank(loser_of(*link),
            fmt::format("ranks {} and {} cannot reach each other: rank {} is "
                        "given up",
                        link->first, link->second, loser_of(*link)));
  cut_links_.clear();
}

std::optional<CoordinatorCore::CutLink> CoordinatorCore::old_cut_link() {
  const int64_t view = state_.begun->view.number;
  std::erase_if(cut_links_,
                [&](const auto& link) { return link.view != view; });
  for (const RankState& rank : state_.ranks) {
    const RankSlot* slot = reported_slot(rank.rank);
    const bool of_this_view =
        slot != nullptr &&
        (slot->view == view ||
         options_.mutation == Mutation::kBelieveOldComplaints);
    const bool complains = of_this_view && slot->unreachable != kNone &&
                           state_.rank(slot->unreachable) != nullptr;
    if (!complains) continue;
    const int64_t first = std::min(rank.rank, slot->unreachable);
    const int64_t second = std::max(rank.rank, slot->unreachable);
    auto link = std::find_if(
        cut_links_.begin(), cut_links_.end(),
        [&](const auto& l) { return l.first == first && l.second == second; });
    if (link == cut_links_.end()) {
      cut_links_.push_back({view, first, second, now_us_});
      continue;
    }
    const int64_t until = link->since_us + options_.link_patience_us;
    if (is_reported_since(first, until) && is_reported_since(second, until)) {
      return *link;
    }
  }
  return std::nullopt;
}

bool CoordinatorCore::is_reported_since(int64_t rank, int64_t us) const {
  const Heard* heard = heard_of(state_.rank(rank)->machine);
  return reported_slot(rank) != nullptr && heard->last_us >= us;
}

// That on the machine with fewer ranks in the view, so that the most go on; of
// equals the newer one.
int64_t CoordinatorCore::loser_of(const CutLink& link) const {
  const auto beside = [this](int64_t rank) {
    const int64_t machine = state_.rank(rank)->machine;
    return std::count_if(
        state_.ranks.begin(), state_.ranks.end(), [&](const RankState& other) {
          return other.machine == machine && takes_part(other.rank);
        });
  };
  return beside(link.first) < beside(link.second) ? link.first : link.second;
}

// Each once, however long it stays slow in this view.
bool CoordinatorCore::is_new_straggler(const RankSlot& slot, int64_t median) {
  const bool slow = slot.shard_us * 100 > median * options_.straggler_percent;
  auto known =
      std::find_if(slowness_.begin(), slowness_.end(),
                   [&slot](const Slowness& s) { return s.rank == slot.rank; });
  if (known == slowness_.end()) {
    known = slowness_.insert(
        slowness_.end(), {slot.rank, state_.begun->view.start_step, 0, false});
  }
  // A step stands in many reports.
  if (slot.committed_step <= known->step) return false;
  known->step = slot.committed_step;
  known->steps = slow ? known->steps + 1 : 0;
  if (known->steps < options_.straggler_steps || known->shown) return false;
  known->shown = true;
  return true;
}

bool CoordinatorCore::has_ready_spare() const {
  return std::any_of(
      state_.ranks.begin(), state_.ranks.end(), [this](const RankState& rank) {
        const RankSlot* slot = reported_slot(rank.rank);
        return slot != nullptr && slot->ready && !takes_part(rank.rank);
      });
}

void CoordinatorCore::note_stragglers() {
  if (state_.begun == nullptr || state_.preparing) return;
  std::vector<RankSlot> slots;
  for (const RankState& rank : state_.ranks) {
    const RankSlot* slot = reported_slot(rank.rank);
    if (slot == nullptr || slot->shard_us == 0) continue;
    if (takes_part(rank.rank)) slots.push_back(*slot);
  }
  if (slots.size() < 3) return;  // of two, who is the slow one?
  std::vector<int64_t> times;
  for (const RankSlot& slot : slots) times.push_back(slot.shard_us);
  std::sort(times.begin(), times.end());
  const int64_t median = times[times.size() / 2];
  for (const RankSlot& slot : slots) {
    if (!is_new_straggler(slot, median)) continue;
    const bool replace = options_.replace_stragglers && has_ready_spare();
    const std::string reason = fmt::format(
        "rank {} takes {:.1f} ms for a shard, the median rank {:.1f} ms{}",
        slot.rank, static_cast<double>(slot.shard_us) / 1e3,
        static_cast<double>(median) / 1e3,
        replace ? "; a spare takes over" : "");
    record(StragglerFound{slot.rank, slot.shard_us, median, reason});
    if (replace) lose_rank(slot.rank, reason);
  }
}

}  // namespace colossus::coordinator
