#include "simulate/invariants.h"

#include <fmt/core.h>

#include <algorithm>

namespace colossus::simulate {
namespace {

using coordinator::BegunView;
using coordinator::kNone;

template <typename... Args>
[[noreturn]] void violated(fmt::format_string<Args...> format, Args&&... args) {
  throw Violation{fmt::format(format, std::forward<Args>(args)...)};
}

int64_t machine_of(const config::View& view, int64_t rank) {
  for (const config::Member& member : view.members) {
    if (member.rank == rank) return member.machine;
  }
  return kNone;
}

FakeMachine* find(std::vector<FakeMachine>& machines, int64_t machine) {
  for (FakeMachine& m : machines) {
    if (m.machine == machine) return &m;
  }
  return nullptr;
}

}  // namespace

void Invariants::rank_started(int64_t rank) {
  const auto index = static_cast<size_t>(rank);
  if (started_.size() <= index) started_.resize(index + 1);
  if (started_[index]) violated("rank {} is started twice", rank);
  started_[index] = true;
}

// Members of a machine that leaves only give.
void Invariants::check_apart(config::View view,
                             const coordinator::RunState& state) const {
  std::erase_if(view.members, [&](const config::Member& member) {
    return state.machine(member.machine)->leaves &&
           !config::takes_part(view.placement, member.rank);
  });
  const bool two_machines = std::any_of(
      view.members.begin(), view.members.end(), [&](const auto& member) {
        return member.machine != view.members.front().machine;
      });
  for (size_t s = 0; s < view.placement.owner_S.size(); ++s) {
    const int64_t owner = view.placement.owner_S[s];
    const int64_t backup = view.placement.backup_S[s];
    if (view.members.size() > 1 &&
        (backup == owner || backup == config::kNoBackup)) {
      violated("view {}: slice {} has no backup apart from rank {}",
               view.number, s, owner);
    }
    if (two_machines && machine_of(view, owner) == machine_of(view, backup)) {
      violated("view {}: both copies of slice {} are on machine {}",
               view.number, s, machine_of(view, owner));
    }
  }
}

void Invariants::view_entered(const std::shared_ptr<const BegunView>& begun) {
  SeenView& seen = views_[begun->view.number];
  if (seen.begun == nullptr) {
    seen.begun = begun;
    seen.committed_step = begun->view.start_step;
    seen.owner_S.assign(static_cast<size_t>(num_shards_), kNone);
  }
  if (seen.begun == begun) return;
  if (seen.begun->view.placement != begun->view.placement ||
      seen.begun->view.start_step != begun->view.start_step) {
    violated("two different views are numbered {}", begun->view.number);
  }
}

void Invariants::shard_computed(int64_t view, int64_t shard, int64_t rank) {
  int64_t& owner = views_[view].owner_S[static_cast<size_t>(shard)];
  if (owner == kNone) owner = rank;
  if (owner != rank) {
    violated("ranks {} and {} both own shard {} in view {}", owner, rank, shard,
             view);
  }
}

void Invariants::acts_on_words(const FakeRank& rank) const {
  const int64_t view = rank.rules.word().view;
  for (const int64_t peer : rank.rules.participants()) {
    if (peer == rank.rank) continue;
    for (const Peer& p : rank.peers) {
      if (p.rank != peer) continue;
      // It may be ahead of us by a view, not behind.
      if (p.data->word.view < view) {
        violated("rank {} acts in view {} on a word of rank {} of view {}",
                 rank.rank, view, peer, p.data->word.view);
      }
    }
  }
}

void Invariants::slice_written(const FakeRank& rank, const FakeMachine& machine,
                               int64_t view) const {
  if (machine.answered_number > view) {
    violated("rank {} writes for view {} after machine {} answered PREPARE {}",
             rank.rank, view, machine.machine, machine.answered_number);
  }
}

void Invariants::check_stored(const BegunView& begun, int64_t step,
                              const std::vector<FakeMachine>& machines) const {
  const config::Placement& placement = begun.view.placement;
  for (size_t s = 0; s < placement.owner_S.size(); ++s) {
    for (const Role role : {kOwner, kBackup}) {
      const int64_t rank =
          role == kOwner ? placement.owner_S[s] : placement.backup_S[s];
      const int64_t number = machine_of(begun.view, rank);
      for (const FakeMachine& m : machines) {
        if (m.machine != number || !m.alive) continue;
        const Buffer& buffer =
            m.store_S[s].buffers[role][static_cast<size_t>(step % 2)];
        if (buffer.holds(step)) continue;
        violated("step {} commits in view {}, but rank {} lacks slice {}", step,
                 begun.view.number, rank, s);
      }
    }
  }
}

void Invariants::step_committed(const FakeRank& rank, int64_t view,
                                int64_t step,
                                const std::vector<FakeMachine>& machines) {
  if (step != rank.rules.committed_step() + 1) {
    violated("rank {} commits step {} after step {}", rank.rank, step,
             rank.rules.committed_step());
  }
  if (rank.weights != function_.weights_of(step)) {
    violated("rank {} commits step {} in view {} with wrong weights", rank.rank,
             step, view);
  }
  // A machine that is cut off may commit late in a view that is over.
  if (view == newest_view_) check_stored(*rank.rules.begun(), step, machines);
  committed_step_ = std::max(committed_step_, step);
  int64_t& committed = views_[view].committed_step;
  committed = std::max(committed, step);
}

void Invariants::journal_matches(const coordinator::RunState& replayed,
                                 const coordinator::RunState& state) const {
  if (!(replayed == state)) {
    violated("the journal replays to another state ({} records, state {})",
             replayed.version, state.version);
  }
}

// One that was stored, but never committed in its view, may be wrong.
bool Invariants::is_committed(const Buffer& buffer) const {
  const auto view = views_.find(buffer.view);
  return view != views_.end() && buffer.step <= view->second.committed_step;
}

bool Invariants::restorable(int64_t step, const coordinator::RunState& state,
                            std::vector<FakeMachine>& machines) {
  for (int64_t slice = 0; slice < num_shards_; ++slice) {
    bool found = false;
    for (const coordinator::MachineState& known : state.machines) {
      FakeMachine* machine = find(machines, known.machine);
      if (!known.present || machine == nullptr || !machine->alive) continue;
      SliceStore& store = machine->store_S[static_cast<size_t>(slice)];
      for (const Role role : {kOwner, kBackup}) {
        const Buffer& buffer = store.buffer(role, step);
        found = found ||
                (buffer.holds(step) && buffer.sound() && is_committed(buffer));
      }
    }
    if (!found) return false;
  }
  return true;
}

void Invariants::view_begun(const coordinator::ViewBegun& view,
                            const coordinator::RunState& state,
                            std::vector<FakeMachine>& machines) {
  newest_view_ = view.number;
  check_apart(state.begun->view, state);
  for (int64_t s = view.start_step + 1; s <= committed_step_; ++s) {
    if (restorable(s, state, machines)) {
      violated(
          "view {} starts at step {}, but step {} of {} committed ones "
          "lives in memory",
          view.number, view.start_step, s, committed_step_);
    }
  }
}

void Invariants::connection_ended(int64_t view, int64_t rank, int64_t peer) {
  views_[view].cut_off.insert({rank, peer});
}

bool Invariants::is_there(int64_t step, const coordinator::RunState& state,
                          std::vector<FakeMachine>& machines) {
  for (int64_t slice = 0; slice < num_shards_; ++slice) {
    const uint64_t right = function_.state(step, slice);
    const bool found = std::any_of(
        state.machines.begin(), state.machines.end(), [&](const auto& known) {
          SliceStore& store = find(machines, known.machine)
                                  ->store_S[static_cast<size_t>(slice)];
          const auto holds = [&](Role role) {
            const Buffer& buffer = store.buffer(role, step);
            return buffer.holds(step) && buffer.content == right;
          };
          return known.present && (holds(kOwner) || holds(kBackup));
        });
    if (!found) return false;
  }
  return true;
}

int64_t Invariants::newest_there(const coordinator::RunState& state,
                                 std::vector<FakeMachine>& machines) {
  int64_t step = views_[newest_view_].committed_step;
  while (step > 0 && !is_there(step, state, machines)) --step;
  return step;
}

void Invariants::machine_left(int64_t machine,
                              const coordinator::RunState& state,
                              std::vector<FakeMachine>& machines) {
  // The coordinator may not know yet whom it lost, and count on their copies.
  for (const coordinator::MachineState& known : state.machines) {
    if (known.present && !find(machines, known.machine)->alive) return;
  }
  coordinator::RunState before = state;
  for (coordinator::MachineState& known : before.machines) {
    if (known.machine == machine) known.present = true;
  }
  const int64_t had = newest_there(before, machines);
  if (newest_there(state, machines) < had) {
    violated("machine {} leaves with the last copies of step {}", machine, had);
  }
}

bool Invariants::lost_connection(int64_t view, int64_t rank) const {
  const auto seen = views_.find(view);
  return seen != views_.end() && seen->second.cut_off.contains(rank);
}

void Invariants::machine_dropped(int64_t machine, bool guilty) const {
  if (!guilty) violated("machine {} is dropped without a fault", machine);
}

}  // namespace colossus::simulate
