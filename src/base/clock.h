// Time as a value that is passed in. Nothing that a run computes reads a clock:
// times are shown to people and kept beside results, never part of them.
#pragma once

#include <string>

namespace colossus {

class Clock {
 public:
  virtual ~Clock() = default;
  // Since some fixed moment; never runs backwards. For durations.
  virtual double steady_seconds() const = 0;
  // Since 1970-01-01 UTC; may jump when a person sets it. For dates.
  virtual double wall_seconds() const = 0;
};

// The operating system's. Stateless; safe from any thread.
const Clock& real_clock();

// Stands still until a test moves it. Not for several threads.
class ManualClock : public Clock {
 public:
  explicit ManualClock(double wall_seconds = 0) : wall_(wall_seconds) {}

  double steady_seconds() const override { return steady_; }
  double wall_seconds() const override { return wall_; }

  void advance(double seconds) {
    steady_ += seconds;
    wall_ += seconds;
  }
  // As when a person sets the date: durations do not notice.
  void set_wall(double seconds) { wall_ = seconds; }

 private:
  double steady_ = 0;
  double wall_ = 0;
};

// "2026-03-14 15:09 UTC"; "unknown time" for what no calendar holds.
std::string utc_text(double wall_seconds);

}  // namespace colossus
