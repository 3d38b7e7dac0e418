// Goodput in closed form: the share of a run's elapsed time that goes into
// steps which stay part of the result, and where the rest goes. Formulas and
// their sources: docs/goodput.md. Times in seconds of the wall's clock, rates
// per such second; a fault may come at any time, also while a job recovers.
#pragma once

#include <array>
#include <cstdint>

#include "planner/hardware.h"

namespace colossus::planner {

// A log-normal time, known by its median and its mean / median (>= 1; 1 = it is
// always the same).
struct RandomTime {
  double median = 0;
  double tail = 1;

  double mean() const { return median * tail; }
  // Standard deviation of its logarithm: sqrt(2 ln(mean / median)).
  double sigma() const;
  // The time at which a standard normal is z.
  double at(double z) const;
  // Chance that a Poisson process of `rate` has no event in it: the mean of
  // exp(-rate time).
  double chance_undisturbed(double rate) const;
};

enum class Strategy { kRestart, kMemoryCopies, kHeal };
Strategy strategy_named(const std::string& name);  // a Recovery's `strategy`
const char* strategy_name(Strategy strategy);      // "restart"

struct FailureModel {
  Failures failures;
  Recovery recovery;
};
FailureModel failure_model_of(const Cluster& cluster);

// What the formulas need of one job.
struct JobFaults {
  Strategy strategy = Strategy::kRestart;
  double fault_rate = 0;   // that stop the job
  double silent_rate = 0;  // silent corruptions
  double slow_rate = 0;    // nodes that become slow
  double planned_rate = 0;
  RandomTime detection;
  RandomTime restart;             // from detection to the next step
  RandomTime heal;                // from the fault to the next step
  RandomTime repair;              // of a node
  double copies_lost = 0;         // share of faults that need a checkpoint
  double copy_seconds = 0;        // a step
  double step_seconds = 0;        // 0: of no length
  double checkpoint_seconds = 0;  // that one holds training up
  double write_seconds = 0;       // until one can be used
  double silent_noticed_seconds = 0;
  double slow_seconds = 0;
  double slow_factor = 1;
  double burstiness = 0;  // of fault_rate, in 30 days
};

// `bytes`: of a checkpoint.
JobFaults job_faults(const FailureModel& model, int64_t num_devices,
                     double step_seconds, double bytes);

// Shares of the elapsed time; they sum to 1.
struct GoodputParts {
  double useful = 1;
  double copies = 0;      // held up by copies in memory
  double checkpoint = 0;  // held up by checkpoints
  double lost_work = 0;   // thrown away, and made again
  double detection = 0;
  double recovery = 0;
  double silent = 0;   // work since silent corruptions, and their restarts
  double slow = 0;     // slow nodes, and their replacement
  double planned = 0;  // planned stops
  double waiting = 0;  // for a spare

  std::array<double*, 10> all();
  double sum() const;

  template <typename Visitor>
  void visit_quantities(Visitor& v) {
    v.field("useful", useful, Unit::kShare, "of the elapsed time");
    v.field("copies", copies, Unit::kShare, "held up by copies in memory");
    v.field("checkpoint", checkpoint, Unit::kShare, "held up by checkpoints");
    v.field("lost_work", lost_work, Unit::kShare, "computed and thrown away");
    v.field("detection", detection, Unit::kShare, "until a fault is known");
    v.field("recovery", recovery, Unit::kShare, "restarts, or healing");
    v.field("silent", silent, Unit::kShare, "work since silent corruptions");
    v.field("slow", slow, Unit::kShare, "slow nodes");
    v.field("planned", planned, Unit::kShare, "planned stops");
    v.field("waiting", waiting, Unit::kShare, "for a spare node");
  }
};

// `interval`: elapsed seconds from the end of a checkpoint's hold-up to the
// start of the next one's; at least write_seconds. `spares_suffice`: the share
// of time in which there are enough nodes.
GoodputParts goodput(const JobFaults& job, double interval,
                     double spares_suffice);

// Per second, what throws work back to a checkpoint: faults that need one, and
// silent corruptions.
double checkpoint_rate(const JobFaults& job);

// The interval with the greatest goodput.
double best_interval(const JobFaults& job);

}  // namespace colossus::planner
