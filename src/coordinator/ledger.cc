#include "coordinator/ledger.h"

#include <algorithm>
#include <numeric>

#include "base/error.h"

namespace colossus::coordinator {

const char* name_of(Loss loss) {
  static constexpr std::array<const char*, kNumLosses> kNames = {
      "detect", "agree",    "wait_for_spare", "rebuild",
      "redo",   "straggle", "checkpoint"};
  return kNames[static_cast<size_t>(loss)];
}

const char* meaning_of(Loss loss) {
  static constexpr std::array<const char*, kNumLosses> kMeanings = {
      "until a loss was noticed",
      "until the ranks had stopped and the next view began",
      "no rank was there to go on with",
      "until the ranks of a view held its state",
      "work that was done again",
      "waiting for the slowest rank",
      "steps stood still for a checkpoint"};
  return kMeanings[static_cast<size_t>(loss)];
}

void Ledger::book(Loss loss, int64_t us) {
  COLOSSUS_CHECK(us >= 0, "{} us are booked as {}", us, name_of(loss));
  lost_us_[static_cast<size_t>(loss)] += us;
}

// A stretch that ends without a commit was lost.
void Ledger::close_stretch(int64_t now_us) {
  const int64_t length = now_us - since_us_;
  switch (stretch_) {
    case Stretch::kStep:
      book(Loss::kRedo, length);
      break;
    case Stretch::kAgree:
      book(Loss::kAgree, length);
      break;
    case Stretch::kWaitForSpare:
      book(Loss::kWaitForSpare, length);
      break;
    case Stretch::kRebuild:
      book(Loss::kRebuild, length);
      break;
  }
  since_us_ = now_us;
}

void Ledger::prepared(int64_t now_us, int64_t last_sign_us) {
  // Until its last sign of life the step was work, and is thrown away.
  const int64_t sign = std::clamp(last_sign_us, since_us_, now_us);
  close_stretch(sign);
  book(Loss::kDetect, now_us - sign);
  since_us_ = now_us;
  stretch_ = Stretch::kAgree;
}

void Ledger::waits_for_rank(int64_t now_us) {
  if (stretch_ == Stretch::kWaitForSpare) return;
  close_stretch(now_us);
  stretch_ = Stretch::kWaitForSpare;
}

void Ledger::rank_came(int64_t now_us) {
  if (stretch_ != Stretch::kWaitForSpare) return;
  close_stretch(now_us);
  stretch_ = Stretch::kAgree;
}

void Ledger::begun(int64_t now_us, int64_t start_step) {
  close_stretch(now_us);
  stretch_ = Stretch::kRebuild;
  highest_step_ = std::max(highest_step_, start_step);
}

void Ledger::healed(int64_t now_us) {
  if (stretch_ != Stretch::kRebuild) return;
  close_stretch(now_us);
  stretch_ = Stretch::kStep;
}

void Ledger::committed(int64_t now_us, int64_t step, int64_t straggle_us,
                       int64_t checkpoint_us) {
  if (stretch_ != Stretch::kStep) {
    healed(now_us);  // its report was late; of a view that is over, nothing
    highest_step_ = std::max(highest_step_, step);
    return;
  }
  const int64_t length = now_us - since_us_;
  since_us_ = now_us;
  if (step <= highest_step_) return book(Loss::kRedo, length);
  highest_step_ = step;
  const int64_t straggle = std::clamp<int64_t>(straggle_us, 0, length);
  book(Loss::kStraggle, straggle);
  book(Loss::kCheckpoint,
       std::clamp<int64_t>(checkpoint_us, 0, length - straggle));
}

void Ledger::settle(int64_t now_us) {
  if (stretch_ != Stretch::kStep) close_stretch(now_us);
}

int64_t Ledger::lost_us(Loss loss) const {
  return lost_us_[static_cast<size_t>(loss)];
}

int64_t Ledger::lost_us() const {
  return std::accumulate(lost_us_.begin(), lost_us_.end(), int64_t{0});
}

double Ledger::goodput(int64_t now_us) const {
  const int64_t total = now_us - start_us_;
  if (total <= 0) return 1;
  const int64_t open = stretch_ == Stretch::kStep ? 0 : now_us - since_us_;
  return 1 - static_cast<double>(lost_us() + open) / static_cast<double>(total);
}

}  // namespace colossus::coordinator
