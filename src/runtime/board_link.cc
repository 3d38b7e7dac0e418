#include "runtime/board_link.h"

#include <algorithm>
#include <array>
#include <bit>
#include <map>
#include <utility>

#include "base/clock.h"
#include "base/error.h"
#include "base/thread_pool.h"
#include "distributed/machines_group.h"
#include "distributed/message_ring.h"
#include "distributed/network.h"
#include "distributed/peer_lost.h"
#include "distributed/seat.h"
#include "distributed/shared_memory_group.h"
#include "distributed/windows.h"
#include "runtime/journal_codec.h"
#include "runtime/run_memory.h"

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

const config::Member* find_member(const config::View& view, int64_t rank) {
  const auto found = std::find_if(
      view.members.begin(), view.members.end(),
      [&](const config::Member& member) { return member.rank == rank; });
  return found == view.members.end() ? nullptr : &*found;
}

// Of those that have a part in it.
bool is_on_one_machine(const config::View& view) {
  int64_t machine = -1;
  for (const config::Member& member : view.members) {
    if (!config::takes_part(view.placement, member.rank)) continue;
    if (machine >= 0 && member.machine != machine) return false;
    machine = member.machine;
  }
  return true;
}

// For each machine but `here`, one of its ranks; in turn by slice.
std::vector<config::Member> ranks_elsewhere(const config::View& view,
                                            int64_t here, int64_t slice) {
  std::map<int64_t, std::vector<config::Member>> by_machine;
  for (const config::Member& member : view.members) {
    if (member.machine != here) by_machine[member.machine].push_back(member);
  }
  std::vector<config::Member> chosen;
  for (const auto& [machine, members] : by_machine) {
    chosen.push_back(members[static_cast<size_t>(slice) % members.size()]);
  }
  return chosen;
}

}  // namespace

BoardLink::BoardLink(distributed::Seat& seat,
                     const distributed::Windows& windows, ThreadPool& pool,
                     distributed::MessageRing& reports, const Clock& clock,
                     int64_t total_steps, std::vector<float*> sums,
                     distributed::Network* network)
    : seat_(seat),
      windows_(windows),
      pool_(pool),
      max_threads_(pool.num_threads()),
      reports_(reports),
      clock_(clock),
      total_steps_(total_steps),
      sums_(std::move(sums)),
      network_(network) {}

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
    if (!begins || find_member(view, rank()) == nullptr) {
      seat_.prepared(view.number);
      continue;
    }
    hash_S_ = posted->hash_S;
    try {
      enter(view);
    } catch (const distributed::PeerLost&) {
      leave_view();  // over before it began: another one comes
      continue;
    }
    seat_.running(view.number);
    if (view.stop) report(memory_used(rank()));
    if (group_ != nullptr) return view;
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
  seat_.cannot_reach(-1);
  seat_.record_step(view.start_step, 0, 0);
  pulse_.emplace(seat_.pulse(view.number));
  if (!config::takes_part(view.placement, rank())) return;
  pool_.resize(config::share_of_threads(max_threads_, view, rank()));
  group_ = make_group(view);
  pool_.set_pulse(&*pulse_);
  windows_.populate(seat_.slot(), static_cast<int>(group_->blocks().size()),
                    false);
  find_sums(view);
  step_begin_ = clock_.steady_seconds();
}

std::unique_ptr<distributed::ProcessGroup> BoardLink::make_group(
    const config::View& view) {
  if (is_on_one_machine(view)) {
    return std::make_unique<distributed::SharedMemoryGroup>(view, seat_,
                                                            windows_, pool_);
  }
  if (network_ == nullptr) {
    throw run_error(
        "view {} has ranks on several machines, and rank {} listens nowhere",
        view.number, rank());
  }
  return std::make_unique<distributed::MachinesGroup>(view, seat_, windows_,
                                                      pool_, *network_);
}

// Where one rank hosts all shards, its gradient is the sum.
void BoardLink::find_sums(const config::View& view) {
  const int64_t shards = std::ssize(view.placement.owner_S);
  const bool in_place =
      !group_->blocks().empty() && group_->blocks()[0].count == shards;
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
        in_place ? group_->gradient(0) + slice * slice_count : sums_.at(next++);
  }
}

float* BoardLink::gradient(size_t index) {
  return group_->gradient(static_cast<int64_t>(index));
}

void BoardLink::reduce_scatter(int64_t /*step*/) {
  compute_seconds_ = clock_.steady_seconds() - step_begin_;
  under_view([&] { group_->reduce_scatter(sum_S_); });
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

std::vector<int64_t> BoardLink::borne_slices() const {
  return group_->borne_slices();
}

void BoardLink::share_weights(int64_t /*step*/,
                              const std::vector<const float*>& from_S,
                              const std::vector<float*>& to_S) {
  under_view([&] { group_->share_weights(from_S, to_S); });
}

std::optional<Hash128> BoardLink::fetch_slice(checkpoint::SliceCopy copy,
                                              int64_t slice, int64_t step,
                                              const checkpoint::SliceData& to) {
  const config::View& view = group_->view();
  const bool in_no_memory = step == view.start_step && hash_S_.empty();
  if (network_ == nullptr || in_no_memory) return std::nullopt;
  const int64_t here = find_member(view, rank())->machine;
  const bool owner = copy == checkpoint::SliceCopy::kOwner;
  const auto other =
      owner ? checkpoint::SliceCopy::kBackup : checkpoint::SliceCopy::kOwner;
  for (const config::Member& member : ranks_elsewhere(view, here, slice)) {
    for (const auto source : {copy, other}) {
      const auto hash = fetch_from(member, source, slice, step, to);
      if (hash) return hash;
    }
  }
  return std::nullopt;
}

std::optional<Hash128> BoardLink::fetch_from(const config::Member& member,
                                             checkpoint::SliceCopy copy,
                                             int64_t slice, int64_t step,
                                             const checkpoint::SliceData& to) {
  using Fetched = distributed::Network::Fetched;
  const int64_t number = group_->view().number;
  const int64_t shards = std::ssize(group_->view().placement.owner_S);
  const auto count =
      static_cast<size_t>(windows_.layout().padded_count / shards);
  Hash128 hash;
  const Fetched fetched = network_->fetch(
      member.endpoint, {number, static_cast<int64_t>(copy), slice, step},
      {std::span(to.w, count), std::span(to.m, count), std::span(to.v, count)},
      hash, [&] { return seat_.in_force(number); });
  if (fetched == Fetched::kNotThere) return std::nullopt;
  if (fetched == Fetched::kWhole) {
    // Its agent may have yet to discard what the view does not start from.
    const bool other_state = step == group_->view().start_step &&
                             hash != hash_S_.at(static_cast<size_t>(slice));
    return other_state ? std::nullopt : std::optional(hash);
  }
  if (seat_.in_force(number)) seat_.cannot_reach(member.rank);
  seat_.board().disturb_view(number);
  throw Interrupted();
}

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
