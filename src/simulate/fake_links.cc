// The connections of a view between ranks of different machines: what ends one,
// who hears of it when, and what it says then. As distributed/mesh.h has them:
// each rank with a part in the view is connected to all of them elsewhere; if
// one connection ends, the view is over on the whole machine, and the rank
// closes its others, by which the next machines hear.
#include <fmt/core.h>

#include <algorithm>

#include "agent/agent_rules.h"
#include "simulate/simulator.h"

namespace colossus::simulate {

// After the rank looked at its board.
void Simulator::note_view_change(FakeRank& rank) {
  const int64_t view = rank.rules.in_view() ? rank.rules.word().view : 0;
  if (rank.noted_view == view) return;
  if (rank.open_view != 0) {
    // Who leaves at a commit says goodbye.
    const coordinator::Board& board = machine(rank.machine)->board;
    const bool abrupt = board.halted_view >= rank.open_view ||
                        board.stop_step == coordinator::kAtOnce;
    if (abrupt) close_connections(rank, 0);
    rank.closed_view = std::max(rank.closed_view, rank.open_view);
    rank.open_view = 0;
  }
  rank.noted_view = view;
  if (view != 0) open_connections(rank);
}

void Simulator::open_connections(FakeRank& rank) {
  if (auto* slot = agent::find_slot(machine(rank.machine)->board, rank.rank)) {
    slot->unreachable = coordinator::kNone;
  }
  const auto& participants = rank.rules.participants();
  if (!std::binary_search(participants.begin(), participants.end(),
                          rank.rank)) {
    return;
  }
  rank.open_view = rank.noted_view;
  for (const int64_t number : participants) {
    const FakeRank* peer = this->rank(number);
    if (peer == nullptr || peer->machine == rank.machine) continue;
    if (is_link_cut(rank.machine, peer->machine) ||
        !machine(peer->machine)->alive) {
      events_.push(now_us_ + scenario_.link_timeout_us,
                   EventKind::kPeerTimesOut, rank.rank, number, rank.open_view);
    } else if (!peer->alive || peer->closed_view >= rank.open_view) {
      events_.push(now_us_ + random_.range(20, 2000),
                   EventKind::kConnectionEnds, rank.rank, number,
                   rank.open_view);
    }
  }
}

// The peers hear of it `after_us` later, or when their own link times out.
void Simulator::close_connections(FakeRank& rank, int64_t after_us) {
  const int64_t view = std::exchange(rank.open_view, 0);
  if (view == 0) return;
  rank.closed_view = view;
  for (const int64_t number : rank.rules.participants()) {
    const FakeRank* peer = this->rank(number);
    if (peer == nullptr || peer->machine == rank.machine) continue;
    if (peer->open_view != view) continue;
    const int64_t delay_us = is_link_cut(rank.machine, peer->machine)
                                 ? scenario_.link_timeout_us
                                 : random_.range(20, scenario_.delay_us);
    events_.push(now_us_ + after_us + delay_us, EventKind::kConnectionEnds,
                 number, rank.rank, view);
  }
}

void Simulator::connection_ends(FakeRank& rank, int64_t peer, int64_t view) {
  if (!rank.alive || rank.open_view != view) return;
  if (rank.hung_until > now_us_) {
    if (rank.hung_until == kForEver) return;
    return events_.push(rank.hung_until + 1, EventKind::kConnectionEnds,
                        rank.rank, peer, view);
  }
  FakeMachine& host = *machine(rank.machine);
  auto* slot = agent::find_slot(host.board, rank.rank);
  if (slot == nullptr) return;
  trace([&] {
    return fmt::format("rank {} cannot reach rank {} in view {}", rank.rank,
                       peer, view);
  });
  slot->unreachable = peer;
  ++result_.num_broken;
  invariants_.connection_ended(view, rank.rank, peer);
  host.board.halted_view = std::max(host.board.halted_view, view);
  close_connections(rank, 0);
  board_changed(host);
}

// Both ends find out, each for itself; one way that is cut is enough, since
// nothing is acknowledged then.
void Simulator::link_times_out(int64_t one, int64_t two) {
  if (!is_link_cut(one, two)) return;
  for (const auto& r : ranks_) {
    if (r == nullptr || !r->alive || r->open_view == 0) continue;
    if (r->machine != one && r->machine != two) continue;
    for (const int64_t number : r->rules.participants()) {
      const FakeRank* peer = rank(number);
      if (peer == nullptr || peer->machine == r->machine) continue;
      if (peer->machine != one && peer->machine != two) continue;
      events_.push(now_us_ + random_.range(0, 3000), EventKind::kConnectionEnds,
                   r->rank, number, r->open_view);
      break;
    }
  }
}

// One that could not be reached when the view began.
void Simulator::peer_times_out(FakeRank& rank, const FakeRank& peer,
                               int64_t view) {
  const bool there = peer.alive && peer.closed_view < view &&
                     !is_link_cut(rank.machine, peer.machine);
  if (!there) connection_ends(rank, peer.rank, view);
}

// The ranks of a machine give its slices in turn. Null: none of them is in the
// view; then others there do.
const FakeRank* Simulator::giver_of(const FakeRank& rank, int64_t slice,
                                    int64_t source) {
  std::vector<int64_t> givers;
  for (const config::Member& member : rank.rules.begun()->view.members) {
    if (member.machine == source) givers.push_back(member.rank);
  }
  if (givers.empty()) return nullptr;
  return this->rank(givers[static_cast<size_t>(slice) % givers.size()]);
}

// Whether a slice can come from `source` now. A giver that is dead refuses the
// connection; one that is out of reach is waited for a while.
bool Simulator::reaches(FakeRank& rank, int64_t slice, int64_t source) {
  if (source == rank.machine) return true;
  const int64_t view = rank.rules.begun()->view.number;
  const FakeRank* giver = giver_of(rank, slice, source);
  const bool there = machine(source)->alive &&
                     !is_link_cut(source, rank.machine) &&
                     (giver == nullptr || giver->hung_until <= now_us_);
  if (there) {
    if (giver == nullptr || giver->alive) return true;
    connection_ends(rank, giver->rank, view);
    return false;
  }
  if (rank.fetch_since_us == coordinator::kNone) rank.fetch_since_us = now_us_;
  const bool waited =
      now_us_ - rank.fetch_since_us >= scenario_.link_timeout_us;
  if (waited && giver != nullptr) connection_ends(rank, giver->rank, view);
  return false;
}

}  // namespace colossus::simulate
