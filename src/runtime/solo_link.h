// The link of a rank that is alone: one view with every shard on it, and
// nothing to exchange. The user's stop ends the view.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>

#include "base/pulse.h"
#include "config/placement.h"
#include "runtime/rank_link.h"

namespace colossus::runtime {

class SoloLink final : public RankLink {
 public:
  struct Start {
    int64_t step = 0;  // steps done
    int64_t of = 0;    // the run's last step
  };
  // `gradient`: a flat vector of `num_shards` slices. After `stop` is set, the
  // step under way is the last.
  SoloLink(int64_t num_shards, std::span<float> gradient, const Start& start,
           const std::atomic<bool>& stop,
           std::function<std::string()> stop_reason,
           std::function<void(const JournalEvent&)> on_report);

  int64_t rank() const override { return 0; }
  std::optional<config::View> next_view() override;
  Pulse& pulse() override { return pulse_; }
  float* gradient(size_t /*index*/) override { return gradient_.data(); }
  void reduce_scatter(int64_t /*step*/) override {}
  float* sum(int64_t slice) const override;
  void all_gather(int64_t /*step*/, std::span<double> /*values_SK*/,
                  int64_t /*count*/) override {}
  void all_gather_hashes(int64_t /*step*/, checkpoint::SliceCopy /*copy*/,
                         std::span<SliceHashes> /*hashes_S*/) override {}
  // Nobody is there to ask: a RunError, which is reported.
  [[noreturn]] void differ(coordinator::Difference difference,
                           const Recompute& recompute) override;
  float* scratch() override { return nullptr; }  // nobody else has shards
  std::vector<int64_t> borne_slices() const override { return {}; }
  void share_weights(int64_t /*step*/,
                     const std::vector<const float*>& /*from_S*/,
                     const std::vector<float*>& /*to_S*/) override {}
  std::optional<Hash128> fetch_slice(
      checkpoint::SliceCopy /*copy*/, int64_t /*slice*/, int64_t /*step*/,
      const checkpoint::SliceData& /*to*/) override {
    return std::nullopt;
  }
  void barrier(int64_t /*step*/) override {}
  void commit(int64_t step) override;
  void report(const JournalEvent& event) override { on_report_(event); }

 private:
  void watch(bool /*on*/) override {}

  const std::span<float> gradient_;
  const std::atomic<bool>& stop_;
  const std::function<std::string()> stop_reason_;
  const std::function<void(const JournalEvent&)> on_report_;
  std::atomic<uint64_t> beats_{0}, order_{0};
  Pulse pulse_{beats_, order_, 0};
  const int64_t last_step_;
  config::View view_;  // start_step: of the last commit
};

}  // namespace colossus::runtime
