// Rates of a run, from times that are passed in: for people, never for weights.
#pragma once

#include <deque>

namespace colossus::runtime {

// Amount per second (tokens, bytes) over the last `window_seconds`, so that a
// pause or a change of load shows, and one slow step does not jump about.
class RateWindow {
 public:
  explicit RateWindow(double window_seconds = 10)
      : window_seconds_(window_seconds) {}

  // `total` so far, at the steady time `now_seconds`; both never fall.
  void add(double now_seconds, double total);

  // 0 until two different times were added.
  double per_second() const;

 private:
  struct Sample {
    double seconds;
    double total;
  };

  double window_seconds_;
  std::deque<Sample> samples_;
};

// Model FLOP utilization, 0 to 1: what the model's arithmetic needs of what the
// threads in use could do. 0 if the peak is unknown (0).
double mfu(double tokens_per_second, double model_flops_per_token,
           double peak_flops_per_second);

// Time for `remaining` at this rate; -1 if the rate says nothing.
double seconds_left(double remaining, double per_second);

}  // namespace colossus::runtime
