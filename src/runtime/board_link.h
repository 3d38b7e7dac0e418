// The link of a rank among others: views come from the board of its machine,
// steps are exchanged through the machine's windows and, with the ranks of
// other machines, over its network; reports go into a ring.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/pulse.h"
#include "runtime/rank_link.h"

namespace colossus {
class Clock;
class ThreadPool;
}  // namespace colossus
namespace colossus::distributed {
class MessageRing;
class Network;
class ProcessGroup;
class Seat;
class Windows;
}  // namespace colossus::distributed

namespace colossus::runtime {

class BoardLink final : public RankLink {
 public:
  // `sums`: memory for the sums of at most S slices. Sums run in `pool`, which
  // only this link uses. `network`: null if the run never has views of several
  // machines. All outlives it.
  BoardLink(distributed::Seat& seat, const distributed::Windows& windows,
            ThreadPool& pool, distributed::MessageRing& reports,
            const Clock& clock, int64_t total_steps, std::vector<float*> sums,
            distributed::Network* network = nullptr);
  ~BoardLink() override;

  int64_t rank() const override;
  std::optional<config::View> next_view() override;
  Pulse& pulse() override { return *pulse_; }
  float* gradient(size_t index) override;
  void reduce_scatter(int64_t step) override;
  float* sum(int64_t slice) const override;
  void all_gather(int64_t step, std::span<double> values_SK,
                  int64_t count) override;
  void all_gather_hashes(int64_t step, checkpoint::SliceCopy copy,
                         std::span<SliceHashes> hashes_S) override;
  [[noreturn]] void differ(coordinator::Difference difference,
                           const Recompute& recompute) override;
  float* scratch() override;
  std::vector<int64_t> borne_slices() const override;
  void share_weights(int64_t step, const std::vector<const float*>& from_S,
                     const std::vector<float*>& to_S) override;
  std::optional<Hash128> fetch_slice(checkpoint::SliceCopy copy, int64_t slice,
                                     int64_t step,
                                     const checkpoint::SliceData& to) override;
  void barrier(int64_t step) override;
  void commit(int64_t step) override;
  void report(const JournalEvent& event) override;

 private:
  void watch(bool on) override;
  bool is_asked(const coordinator::Difference& difference) const;
  void leave_view();
  void enter(const config::View& view);
  void note_saved(const JournalEvent& event);
  std::unique_ptr<distributed::ProcessGroup> make_group(
      const config::View& view);
  void find_sums(const config::View& view);
  std::optional<Hash128> fetch_from(const config::Member& member,
                                    checkpoint::SliceCopy copy, int64_t slice,
                                    int64_t step,
                                    const checkpoint::SliceData& to);

  distributed::Seat& seat_;
  const distributed::Windows& windows_;
  ThreadPool& pool_;
  const int max_threads_;  // of it: those of the machine
  distributed::MessageRing& reports_;
  const Clock& clock_;
  const int64_t total_steps_;
  const std::vector<float*> sums_;
  distributed::Network* const network_;
  uint64_t seen_ = 0;  // the newest posting looked at

  // Of the current view.
  std::unique_ptr<distributed::ProcessGroup> group_;  // null: a spare
  std::optional<Pulse> pulse_;
  int64_t view_number_ = 0;
  bool stops_ = false;           // it is the one to stop in
  std::vector<Hash128> hash_S_;  // of its start; empty: it lies in no memory
  std::vector<float*> sum_S_;    // by slice; null where this rank needs none
  double step_begin_ = 0, compute_seconds_ = 0;
};

}  // namespace colossus::runtime
