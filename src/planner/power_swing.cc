#include "planner/power_swing.h"

#include <algorithm>

namespace colossus::planner {
namespace {

struct DevicePower {
  double limit = 0;   // of the device
  double around = 0;  // its share of all else, which does not swing

  explicit DevicePower(const Cluster& cluster) {
    const Power& power = cluster.power;
    const double all =
        power.watts_per_device > 0
            ? power.watts_per_device
            : power.node_over_devices * cluster.device.power_watts;
    limit = std::min(cluster.device.power_watts, all);
    around = all - limit;
  }
};

}  // namespace

StepPhases step_phases(const StepCost& cost) {
  StepPhases phases;
  phases.exposed_wait = cost.of(Term::kGradients) +
                        cost.of(Term::kShardedWeights) + cost.of(Term::kJitter);
  phases.scattered_wait = cost.of(Term::kBubble) + cost.of(Term::kImbalance) +
                          cost.of(Term::kSends) +
                          cost.of(Term::kTensorParallel) +
                          cost.of(Term::kContextParallel) +
                          cost.of(Term::kAllToAll) + cost.of(Term::kHostWait);
  phases.compute = cost.seconds - phases.exposed_wait - phases.scattered_wait;
  return phases;
}

PowerSwing power_swing(const StepPhases& step, int64_t num_devices,
                       const Cluster& cluster, double checkpoint_seconds,
                       double detection_seconds, double recovery_seconds) {
  const DevicePower device(cluster);
  const Power& power = cluster.power;
  const auto watts = [&](double share) {
    return static_cast<double>(num_devices) *
           (device.around + device.limit * share);
  };
  PowerSwing swing;
  swing.peak_watts = watts(power.compute_share);
  swing.wait_watts = watts(power.wait_share);
  swing.idle_watts = watts(power.idle_share);
  const double busy = step.compute + step.scattered_wait;
  const double all = busy + step.exposed_wait;
  swing.busy_watts = busy <= 0 ? swing.wait_watts
                               : (step.compute * swing.peak_watts +
                                  step.scattered_wait * swing.wait_watts) /
                                     busy;
  swing.mean_watts =
      all <= 0
          ? swing.peak_watts
          : (busy * swing.busy_watts + step.exposed_wait * swing.wait_watts) /
                all;
  // Rounding puts no mean below what it is of: no difference is below 0.
  swing.busy_watts = std::max(swing.busy_watts, swing.wait_watts);
  swing.mean_watts = std::max(swing.mean_watts, swing.wait_watts);
  if (step.exposed_wait > 0 && busy > 0) {
    swing.swing_watts = swing.busy_watts - swing.wait_watts;
    swing.ramp_watts_per_second = swing.swing_watts / power.swing_seconds;
    swing.smoothing_watts = std::max(swing.busy_watts - swing.mean_watts,
                                     swing.mean_watts - swing.wait_watts);
    swing.smoothing_joules =
        (swing.mean_watts - swing.wait_watts) * step.exposed_wait;
  }
  swing.checkpoint_joules =
      (swing.mean_watts - swing.wait_watts) * checkpoint_seconds;
  swing.stop_watts = swing.mean_watts - swing.idle_watts;
  swing.stop_joules =
      (swing.mean_watts - swing.wait_watts) * detection_seconds +
      swing.stop_watts * recovery_seconds;
  return swing;
}

}  // namespace colossus::planner
