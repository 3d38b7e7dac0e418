// The power of a synchronous job: all devices compute, then all wait for each
// other, many times a minute. What a site sees of that, and what batteries or a
// smoother schedule must take over so that the grid sees none of it.
#pragma once

#include <cstdint>

#include "planner/hardware.h"
#include "planner/step_cost.h"

namespace colossus::planner {

// Seconds of a step.
struct StepPhases {
  double compute = 0;
  double exposed_wait = 0;    // all devices at once
  double scattered_wait = 0;  // some at any time
};

// Gradient exchange, sharded weights and the wait for the slowest happen on all
// devices at once; bubbles, sends and the collectives within a layer do not.
StepPhases step_phases(const StepCost& cost);

// Watts at the site's meter, of a job without its spares.
struct PowerSwing {
  double peak_watts = 0;   // all compute
  double busy_watts = 0;   // mean while not all wait: scattered waits lower it
  double wait_watts = 0;   // all wait
  double idle_watts = 0;   // no job runs
  double mean_watts = 0;   // of a step
  double swing_watts = 0;  // busy - wait, where all wait at some time
  double ramp_watts_per_second = 0;
  double smoothing_watts = 0;    // of batteries that keep the grid at the mean
  double smoothing_joules = 0;   // that go in and out each step
  double checkpoint_joules = 0;  // to take up while a checkpoint holds it up
  double stop_watts = 0;         // by which power falls at a fault
  double stop_joules = 0;        // to take up at a stop of mean length

  template <typename Visitor>
  void visit_quantities(Visitor& v) {
    v.field("peak_power", peak_watts, Unit::kWatts, "all compute");
    v.field("busy_power", busy_watts, Unit::kWatts,
            "while not all wait; the mean, if work for its own sake filled "
            "the waits");
    v.field("wait_power", wait_watts, Unit::kWatts, "all wait");
    v.field("idle_power", idle_watts, Unit::kWatts, "no job runs");
    v.field("step_power", mean_watts, Unit::kWatts, "mean of a step");
    v.field("power_swing", swing_watts, Unit::kWatts, "within a step");
    v.field("power_ramp", ramp_watts_per_second, Unit::kWattsPerSecond,
            "within a step");
    v.field("battery_power", smoothing_watts, Unit::kWatts,
            "that keeps the grid at the step's mean");
    v.field("battery_energy", smoothing_joules, Unit::kJoules,
            "that goes in and out each step");
    v.field("checkpoint_energy", checkpoint_joules, Unit::kJoules,
            "to take up while a checkpoint holds all up");
    v.field("stop_power", stop_watts, Unit::kWatts,
            "by which power falls at a fault");
    v.field("stop_energy", stop_joules, Unit::kJoules,
            "to take up at a stop of mean length");
  }
};

// `checkpoint_seconds` hold a step up. A stop lasts `detection_seconds`, in
// which all wait, and `recovery_seconds`, in which no job runs.
PowerSwing power_swing(const StepPhases& step, int64_t num_devices,
                       const Cluster& cluster, double checkpoint_seconds,
                       double detection_seconds, double recovery_seconds);

}  // namespace colossus::planner
