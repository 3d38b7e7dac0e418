#include "runtime/board_link.h"

#include <algorithm>
#include <array>
#include <bit>
#include <utility>

#include "base/clock.h"
#include "base/error.h"
#include "base/thread_pool.h"
#include "distributed/message_ring.h"
#include "distributed/peer_lost.h"
#include "distributed/seat.h"
#include "distributed/shared_memory_group.h"
#include "distributed/windows.h"
#include "runtime/journal_codec.h"

namespace colossus::runtime {
namespace {

// Postings wake a rank that waits; this is how often it looks on its own.
constexpr double kLookSeconds = 1;

// The one place where a lost peer becomes the end of the view.
template <typename Work>
auto under_view(const Work& work) {
  try {
    return work();
  } catch (const distributed::PeerLost&) {
    throw Interrupted();
  }
}

bool is_member(const config::View& view, int64_t rank) {
  return std::any_of(
      view.members.begin(), view.members.end(),
      [&](const config::Member& member) { return member.rank == rank; });
}

}  // namespace

BoardLink::BoardLink(distributed::Seat& seat,
                     const distributed::Windows& windows, ThreadPool& pool,
                     distributed::MessageRing& reports, const Clock& clock,
                     int64_t total_steps, std::vector<float*> sums)
    : seat_(seat),
      windows_(windows),
      pool_(pool),
      max_threads_(pool.num_threads()),
      reports_(reports),
      clock_(clock),
      total_steps_(total_steps),
      sums_(std::move(sums)) {}

BoardLink::~BoardLink() { pool_.set_pulse(nullptr); }

int64_t BoardLink::rank() const { return seat_.rank(); }

std::optional<config::View> BoardLink::next_view() {
  leave_view();
  if (seen_ == 0) {  // started, and looks at the board
    report(RankReady{rank(), clock_.wall_seconds()});
    seat_.prepared(0);
  }
  for (;;) {
    const auto posted = seat_.wait_posted(seen_, kLookSeconds);
    if (!posted) continue;
    seen_ = posted->sequence;
    const config::View& view = posted->view;
    const bool begins = posted->kind == distributed::PostedKind::kBegin;
    if (!begins || !is_member(view, rank())) {
      seat_.prepared(view.number);
      continue;
    }
    try {
      enter(view);
    } catch (const distributed::PeerLost&) {
      continue;  // over before it began: another view comes
    }
    seat_.running(view.number);
    if (group_->participates()) return view;
    group_.reset();  // a spare
  }
}

void BoardLink::leave_view() {
  pool_.set_pulse(nullptr);
  group_.reset();
  pulse_.reset();
}

void BoardLink::enter(const config::View& view) {
  view_number_ = view.number;
  stops_ = view.stop;
  seat_.record_step(view.start_step, 0, 0);
  pulse_.emplace(seat_.pulse(view.number));
  group_ = std::make_unique<distributed::SharedMemoryGroup>(view, seat_,
                                                            windows_, pool_);
  if (!group_->participates()) return;
  pool_.resize(config::share_of_threads(max_threads_, view, rank()));
  pool_.set_pulse(&*pulse_);
  windows_.populate(seat_.slot(), static_cast<int>(group_->blocks().size()),
                    false);
  // The owner of all shards has the sum where its gradient is.
  const int64_t shards = static_cast<int64_t>(view.placement.owner_S.size());
  alone_ = !group_->blocks().empty() && group_->blocks()[0].count == shards;
  const int64_t slice_count = windows_.layout().padded_count / shards;
  sum_S_.assign(static_cast<size_t>(shards), nullptr);
  size_t next = 0;
  for (int64_t slice = 0; slice < shards; ++slice) {
    const auto at = static_cast<size_t>(slice);
    if (view.placement.owner_S[at] != rank() &&
        view.placement.backup_S[at] != rank()) {
      continue;
    }
    sum_S_[at] =
        alone_ ? group_->gradient(0) + slice * slice_count : sums_.at(next++);
  }
  step_begin_ = clock_.steady_seconds();
}

float* BoardLink::gradient(size_t index) {
  return group_->gradient(static_cast<int64_t>(index));
}

void BoardLink::reduce_scatter(int64_t /*step*/) {
  compute_seconds_ = clock_.steady_seconds() - step_begin_;
  under_view([&] {
    // Backups of slices, if there are any, read the gradient from now on.
    if (alone_) {
      group_->meet();
    } else {
      group_->reduce_scatter(sum_S_);
    }
  });
}

float* BoardLink::sum(int64_t slice) const {
  return sum_S_.at(static_cast<size_t>(slice));
}

void BoardLink::all_gather(int64_t /*step*/, std::span<double> values_SK,
                           int64_t count) {
  under_view([&] {
    group_->all_gather_values(distributed::Holder::kOwner, count,
                              values_SK.data());
  });
}

void BoardLink::all_gather_hashes(int64_t /*step*/, checkpoint::SliceCopy copy,
                                  std::span<SliceHashes> hashes_S) {
  constexpr size_t kWidth = sizeof(SliceHashes) / sizeof(double);
  using Row = std::array<double, kWidth>;
  const auto holder = copy == checkpoint::SliceCopy::kOwner
                          ? distributed::Holder::kOwner
                          : distributed::Holder::kBackup;
  std::vector<Row> rows_S;
  for (const SliceHashes& hashes : hashes_S) {
    rows_S.push_back(std::bit_cast<Row>(hashes));
  }
  under_view([&] {
    group_->all_gather_values(holder, kWidth, rows_S.front().data());
  });
  for (size_t s = 0; s < hashes_S.size(); ++s) {
    hashes_S[s] = std::bit_cast<SliceHashes>(rows_S[s]);
  }
}

void BoardLink::differ(coordinator::Difference difference,
                       const Recompute& recompute) {
  difference.view = group_->view().number;
  seat_.differs({.kind = static_cast<int64_t>(difference.kind),
                 .view = difference.view,
                 .step = difference.step,
                 .shard = difference.shard,
                 .first_rank = difference.first_rank,
                 .second_rank = difference.second_rank,
                 .first_hash = difference.first_hash,
                 .second_hash = difference.second_hash});
  bool answered = false;
  const auto has_news = [&] {
    return !seat_.in_force(difference.view) ||
           (!answered && is_asked(difference));
  };
  for (;;) {
    seat_.wait(-1, 0, kLookSeconds, has_news);
    if (!seat_.in_force(difference.view)) throw Interrupted();
    if (answered || !is_asked(difference)) continue;
    seat_.recomputed({.view = difference.view,
                      .step = difference.step,
                      .shard = difference.shard,
                      .hash = recompute(difference.shard)});
    answered = true;
  }
}

bool BoardLink::is_asked(const coordinator::Difference& difference) const {
  const auto call = seat_.board().recompute_call();
  return call && call->view == difference.view &&
         call->step == difference.step && call->shard == difference.shard &&
         std::find(call->ranks.begin(), call->ranks.end(), rank()) !=
             call->ranks.end();
}

float* BoardLink::scratch() { return group_->updated(); }

void BoardLink::barrier(int64_t /*step*/) {
  under_view([&] { group_->meet(); });
}

void BoardLink::commit(int64_t step) {
  const int64_t call = under_view([&] { return group_->commit(step); });
  const double now = clock_.steady_seconds();
  seat_.record_step(step, now - step_begin_, compute_seconds_);
  step_begin_ = now;
  if (call == 0) return;
  leave_view();
  seat_.prepared(call);
  throw Interrupted();
}

void BoardLink::report(const JournalEvent& event) {
  reports_.write(
      encode_line({.wall_seconds = clock_.wall_seconds(), .event = event}));
  note_saved(event);
}

// For the coordinator. The checkpoint of the last step may be on disk before
// the view in which the run ends, while the chief has yet to validate and to
// say that it finished.
void BoardLink::note_saved(const JournalEvent& event) {
  std::optional<int64_t> saved;
  if (const auto* e = std::get_if<CheckpointSaved>(&event)) {
    if (!stops_ && e->step < total_steps_) saved = e->step;
  }
  if (const auto* e = std::get_if<RunFinished>(&event)) saved = e->step;
  if (const auto* e = std::get_if<RunStopped>(&event)) saved = e->step;
  if (saved) seat_.record_saved(view_number_, *saved);
}

void BoardLink::watch(bool on) { seat_.set_away(!on); }

}  // namespace colossus::runtime
