#include "distributed/phases.h"

#include <algorithm>
#include <thread>

#include "base/error.h"
#include "base/thread_pool.h"
#include "distributed/board_layout.h"
#include "distributed/futex.h"
#include "distributed/peer_lost.h"
#include "distributed/tree_sum.h"

namespace colossus::distributed {
namespace {

// Floats of one piece of work for the pool: some 20 us.
constexpr int64_t kPiece = 8 * TreeSum::kTile;
constexpr int kSpins = 2000;  // 20 to 100 us, as long as a wake takes

int spins_for(size_t participants, const GroupOptions& options) {
  if (options.spins >= 0) return options.spins;
  return participants <= std::thread::hardware_concurrency() ? kSpins : 0;
}

}  // namespace

Phases::Phases(int64_t view_number, const std::vector<int64_t>& ranks,
               const Seat& seat, const GroupOptions& options)
    : view_number_(view_number),
      seat_(seat),
      deadline_seconds_(options.deadline_seconds),
      spins_(spins_for(ranks.size(), options)),
      phase_(static_cast<uint64_t>(view_number) << 32) {
  COLOSSUS_CHECK(view_number > 0 && view_number < kMaxNumber, "view {}",
                 view_number);
  for (const int64_t rank : ranks) {
    const int slot = seat.board().slot_of(rank);
    if (slot < 0) {
      // Lost since, and its slot given to another rank.
      if (!seat.in_force(view_number)) {
        throw PeerLost(fmt::format("rank {} is gone", rank), rank);
      }
      throw run_error("view {} names rank {}, which is not on this machine",
                      view_number, rank);
    }
    peers_.push_back({rank, slot});
  }
  seat.board().slot_data(seat.slot()).phase.store(phase_);
}

void Phases::enter() {
  check_in_force();
  const Board& board = seat_.board();
  ++phase_;
  board.slot_data(seat_.slot()).phase.store(phase_);
  for (const LocalPeer& peer : peers_) {
    SlotData& data = board.slot_data(peer.slot);
    if (data.awaited.load() == seat_.slot()) ring(data.doorbell);
  }
}

void Phases::await_peers() const {
  for (const LocalPeer& peer : peers_) {
    const SlotData& data = seat_.board().slot_data(peer.slot);
    await(peer.slot, peer.rank, [&] {
      const uint64_t phase = data.phase.load();
      return phase >> 32 == phase_ >> 32 && phase >= phase_;
    });
  }
}

void Phases::await(int slot, int64_t rank,
                   const std::function<bool()>& ready) const {
  const auto looked = [&] {
    check_in_force();
    return ready();
  };
  if (seat_.wait(slot, spins_, deadline_seconds_, looked)) return;
  throw PeerLost(
      fmt::format("rank {} did not come within {:.1f} s to where rank {} waits",
                  rank, deadline_seconds_, seat_.rank()),
      rank);
}

void Phases::idle(double seconds) const {
  seat_.wait(-1, 0, seconds, [&] {
    check_in_force();
    const Posted now = seat_.board().posted();
    return now.view.number != view_number_ || now.kind != PostedKind::kBegin;
  });
}

void Phases::check_in_force() const {
  if (seat_.in_force(view_number_)) return;
  throw PeerLost(fmt::format("view {} is over", view_number_),
                 PeerLost::kNobody);
}

void for_pieces(
    const Phases& phases, ThreadPool& pool, int64_t num_items,
    int64_t item_count,
    const std::function<void(int64_t, int64_t, int64_t, int)>& body) {
  const int64_t pieces = (item_count + kPiece - 1) / kPiece;
  try {
    pool.run(pieces * num_items, [&](int64_t piece, int thread) {
      const int64_t begin = piece % pieces * kPiece;
      body(piece / pieces, begin, std::min(kPiece, item_count - begin), thread);
    });
  } catch (const Interrupted&) {
    phases.check_in_force();
    throw;
  }
}

}  // namespace colossus::distributed
