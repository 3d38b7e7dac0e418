// Where the time of a run went: every second is either goodput or lost for one
// reason. Pure: from the times of events that others saw.
#pragma once

#include <array>
#include <cstdint>
#include <string>

namespace colossus::coordinator {

enum class Loss : int {
  kDetect,        // something was lost, and nobody knew
  kAgree,         // PREPARE until BEGIN
  kWaitForSpare,  // no rank was there to go on with
  kRebuild,       // BEGIN until the first gradient: slices and weights move
  kRedo,          // work that was thrown away: begun, or done and lost
  kStraggle,      // the others waited for the slowest rank
  kCheckpoint,    // steps stood still for a checkpoint
  kNumLosses,
};
inline constexpr int kNumLosses = static_cast<int>(Loss::kNumLosses);
const char* name_of(Loss loss);     // "wait_for_spare"
const char* meaning_of(Loss loss);  // for people

// Times are microseconds of one clock; calls in the order of their times.
class Ledger {
 public:
  explicit Ledger(int64_t start_us)
      : start_us_(start_us), since_us_(start_us) {}

  // Ranks stop for a PREPARE: at once, or after the commit that it waited for.
  // What was lost gave its last sign of life at `last_sign_us` (kept within the
  // present stretch); now, if nothing was lost.
  void prepared(int64_t now_us, int64_t last_sign_us);
  // No rank is ready: from now on the run waits for one.
  void waits_for_rank(int64_t now_us);
  void rank_came(int64_t now_us);
  // BEGIN was sent; the view starts at `start_step`.
  void begun(int64_t now_us, int64_t start_step);
  // All ranks hold their state: steps are made again.
  void healed(int64_t now_us);
  // A step committed, of which `straggle_us` were spent waiting for the slowest
  // rank and `checkpoint_us` for a checkpoint.
  void committed(int64_t now_us, int64_t step, int64_t straggle_us = 0,
                 int64_t checkpoint_us = 0);

  // Books the present stretch so far, unless it is a step.
  void settle(int64_t now_us);

  int64_t lost_us(Loss loss) const;
  int64_t lost_us() const;
  // Of the time until `now_us`, the present stretch included as what it is.
  double goodput(int64_t now_us) const;

 private:
  // What the present stretch will be booked as.
  enum class Stretch { kStep, kAgree, kWaitForSpare, kRebuild };

  void book(Loss loss, int64_t us);
  void close_stretch(int64_t now_us);

  int64_t start_us_ = 0;
  int64_t since_us_ = 0;                 // the present stretch's start
  Stretch stretch_ = Stretch::kRebuild;  // a start is a view like any other
  int64_t highest_step_ = 0;             // ever committed
  std::array<int64_t, kNumLosses> lost_us_{};
};

}  // namespace colossus::coordinator
