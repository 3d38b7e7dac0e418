// See metrics.h.
#include "runtime/metrics.h"

namespace colossus::runtime {

void RateWindow::add(double now_seconds, double total) {
  samples_.push_back({now_seconds, total});
  // The newest sample that is a whole window old stays: a step longer than the
  // window still has a rate.
  while (samples_.size() > 2 &&
         samples_[1].seconds <= now_seconds - window_seconds_) {
    samples_.pop_front();
  }
}

double RateWindow::per_second() const {
  if (samples_.size() < 2) return 0;
  const double seconds = samples_.back().seconds - samples_.front().seconds;
  if (!(seconds > 0)) return 0;
  return (samples_.back().total - samples_.front().total) / seconds;
}

double mfu(double tokens_per_second, double model_flops_per_token,
           double peak_flops_per_second) {
  if (!(peak_flops_per_second > 0)) return 0;
  return tokens_per_second * model_flops_per_token / peak_flops_per_second;
}

double seconds_left(double remaining, double per_second) {
  return per_second > 0 ? remaining / per_second : -1;
}

}  // namespace colossus::runtime
