#include "coordinator/run_state.h"

#include <algorithm>

#include "base/error.h"

namespace colossus::coordinator {
namespace {

void require(bool condition, const char* name, int64_t value) {
  if (condition) return;
  throw corrupt_file(
      "journal: a record \"{}\" with {} contradicts those before it; the lines "
      "up to it are sound",
      name, value);
}

MachineState* find_machine(RunState& state, int64_t machine) {
  for (MachineState& m : state.machines) {
    if (m.machine == machine) return &m;
  }
  return nullptr;
}

void apply_one(RunState& state, const SizeAsked& d) {
  require(d.ranks > 0 && d.spares >= 0, d.kName, d.ranks);
  state.wanted_ranks = d.ranks;
  state.wanted_spares = d.spares;
}

void apply_one(RunState& state, const MachineJoined& d) {
  if (MachineState* known = find_machine(state, d.machine)) {
    require(!known->left, d.kName, d.machine);
    known->present = true;
    return;
  }
  MachineState& machine = state.machines.emplace_back();
  machine.machine = d.machine;
  std::sort(state.machines.begin(), state.machines.end(),
            [](const auto& a, const auto& b) { return a.machine < b.machine; });
}

// Differences that a lost rank was part of may have been its fault.
void forget_differences(RunState& state, int64_t rank) {
  std::erase_if(state.differences, [rank](const DifferenceFound& d) {
    return d.first_rank == rank || d.second_rank == rank;
  });
}

void forget_rank(RunState& state, const char* name, int64_t rank) {
  require(state.rank(rank) != nullptr, name, rank);
  forget_differences(state, rank);
  std::erase_if(state.ranks,
                [rank](const RankState& r) { return r.rank == rank; });
}

void apply_one(RunState& state, const MachineLost& d) {
  MachineState* machine = find_machine(state, d.machine);
  require(machine != nullptr, d.kName, d.machine);
  machine->present = false;
  for (const RankState& rank : state.ranks) {
    if (rank.machine == d.machine) forget_differences(state, rank.rank);
  }
  std::erase_if(state.ranks,
                [&](const RankState& r) { return r.machine == d.machine; });
}

void apply_one(RunState& state, const MachineDropped& d) {
  MachineState* machine = find_machine(state, d.machine);
  require(machine != nullptr, d.kName, d.machine);
  machine->dropped = true;
  state.differences.clear();  // it explains them
  std::erase_if(state.ranks,
                [&](const RankState& r) { return r.machine == d.machine; });
}

void apply_one(RunState& state, const MachineLeaves& d) {
  MachineState* machine = find_machine(state, d.machine);
  require(machine != nullptr && machine->present, d.kName, d.machine);
  machine->leaves = true;
}

void apply_one(RunState& state, const MachineLeft& d) {
  MachineState* machine = find_machine(state, d.machine);
  const bool hosts = std::any_of(
      state.ranks.begin(), state.ranks.end(),
      [&d](const RankState& rank) { return rank.machine == d.machine; });
  require(machine != nullptr && machine->leaves && !hosts, d.kName, d.machine);
  machine->present = false;
  machine->left = true;
}

void apply_one(RunState& state, const RankAssigned& d) {
  require(d.rank == state.next_rank, d.kName, d.rank);
  require(find_machine(state, d.machine) != nullptr, d.kName, d.machine);
  state.ranks.push_back({d.rank, d.machine, state.version + 1});
  ++state.next_rank;
}

void apply_one(RunState& state, const RankLost& d) {
  forget_rank(state, d.kName, d.rank);
  if (d.step > state.step_at_loss) state.losses_without_step = 0;
  ++state.losses_without_step;
  state.step_at_loss = d.step;
  state.last_loss = d.reason;
}

void apply_one(RunState& state, const RankReleased& d) {
  forget_rank(state, d.kName, d.rank);
}

void apply_one(RunState& state, const PrepareBegun& d) {
  require(d.number > state.number, d.kName, d.number);
  state.number = d.number;
  state.preparing = true;
  state.stop_step = d.stop_step;
  state.verify = d.verify;
}

void check_lengths(const ViewBegun& d) {
  const size_t num_shards = d.owners.size();
  require(num_shards > 0, d.kName, d.number);
  require(d.members.size() == d.machines.size(), d.kName, d.number);
  require(d.endpoints.empty() || d.endpoints.size() == d.members.size(),
          d.kName, d.number);
  for (const int64_t word : d.endpoints) {
    require(config::is_endpoint_word(word), d.kName, d.number);
  }
  require(d.backups.size() == num_shards, d.kName, d.number);
  require(d.owner_sources.size() == num_shards, d.kName, d.number);
  require(d.backup_sources.size() == num_shards, d.kName, d.number);
  require(d.hashes.empty() || d.hashes.size() == num_shards, d.kName, d.number);
}

// Two steps at most lie in memory; a machine that comes back may hold older
// ones.
void note_known(RunState& state, const ViewBegun& d) {
  constexpr size_t kKept = 4;
  if (d.hashes.empty()) return;
  std::erase_if(state.known, [&d](const KnownState& known) {
    return known.step == d.start_step;
  });
  state.known.push_back({d.start_step, d.hashes});
  if (state.known.size() > kKept) state.known.erase(state.known.begin());
}

void apply_one(RunState& state, const ViewBegun& d) {
  require(state.preparing && d.number == state.number, d.kName, d.number);
  check_lengths(d);
  auto begun = std::make_shared<BegunView>();
  begun->view.number = d.number;
  begun->view.start_step = d.start_step;
  begun->view.reason = d.reason;
  begun->view.placement = {d.owners, d.backups};
  for (size_t i = 0; i < d.members.size(); ++i) {
    const int64_t word = d.endpoints.empty() ? 0 : d.endpoints[i];
    begun->view.members.push_back(
        {d.members[i], d.machines[i], config::endpoint_of(word)});
  }
  begun->owner_source_S = d.owner_sources;
  begun->backup_source_S = d.backup_sources;
  begun->hash_S = d.hashes;
  begun->verify = state.verify;
  begun->last_step = d.last_step;
  begun->save_and_stop = d.save_and_stop;
  if (d.start_step > state.step_at_loss) state.losses_without_step = 0;
  state.step_at_loss = d.start_step;
  state.begun = std::move(begun);
  state.preparing = false;
  for (TrustedSteps& known : state.views) {
    if (known.view != d.checked_view) continue;
    known.up_to = std::max(known.up_to, d.checked_step);
  }
  state.views.push_back({d.number, d.start_step});
  note_known(state, d);
}

void apply_one(RunState& state, const CheckpointCommitted& d) {
  require(d.step >= state.checkpoint_step, d.kName, d.step);
  state.checkpoint_step = d.step;
}

// Differences of updates count as long as the same step is tried again.
void apply_one(RunState& state, const DifferenceFound& d) {
  if (d.kind != "update") return;
  std::erase_if(state.differences,
                [&](const auto& other) { return other.step != d.step; });
  state.differences.push_back(d);
}

void apply_one(RunState&, const StragglerFound&) {}

void apply_one(RunState& state, const StopAsked&) { state.stop_asked = true; }

void apply_one(RunState& state, const RunEnded& d) {
  state.ended = true;
  state.failed = d.failed;
  state.end_step = d.step;
  state.ranks.clear();
}

bool equal(const BegunView& a, const BegunView& b) {
  return a.view == b.view && a.owner_source_S == b.owner_source_S &&
         a.backup_source_S == b.backup_source_S && a.hash_S == b.hash_S &&
         a.verify == b.verify && a.last_step == b.last_step &&
         a.save_and_stop == b.save_and_stop;
}

}  // namespace

const MachineState* RunState::machine(int64_t number_wanted) const {
  for (const MachineState& m : machines) {
    if (m.machine == number_wanted) return &m;
  }
  return nullptr;
}

const RankState* RunState::rank(int64_t number_wanted) const {
  for (const RankState& r : ranks) {
    if (r.rank == number_wanted) return &r;
  }
  return nullptr;
}

bool operator==(const RunState& a, const RunState& b) {
  const bool same_view =
      a.begun == b.begun ||
      (a.begun != nullptr && b.begun != nullptr && equal(*a.begun, *b.begun));
  return same_view && a.version == b.version &&
         a.wanted_ranks == b.wanted_ranks &&
         a.wanted_spares == b.wanted_spares && a.next_rank == b.next_rank &&
         a.machines == b.machines && a.ranks == b.ranks &&
         a.number == b.number && a.preparing == b.preparing &&
         a.stop_step == b.stop_step && a.verify == b.verify &&
         a.views == b.views && a.known == b.known &&
         a.checkpoint_step == b.checkpoint_step &&
         a.differences == b.differences &&
         a.losses_without_step == b.losses_without_step &&
         a.step_at_loss == b.step_at_loss && a.last_loss == b.last_loss &&
         a.stop_asked == b.stop_asked && a.ended == b.ended &&
         a.failed == b.failed && a.end_step == b.end_step;
}

void apply(RunState& state, const Decision& decision) {
  std::visit([&state](const auto& d) { apply_one(state, d); }, decision);
  ++state.version;
}

RunState replay(std::span<const Decision> decisions) {
  RunState state;
  for (const Decision& decision : decisions) apply(state, decision);
  return state;
}

}  // namespace colossus::coordinator
