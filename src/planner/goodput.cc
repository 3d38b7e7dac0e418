#include "planner/goodput.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "planner/checkpoint_interval.h"

namespace colossus::planner {
namespace {

constexpr double kDay = 86400;
// Node-days count nodes of 8 GPUs (data/runs.toml).
constexpr double kDevicesOfRates = 8;

// Expected seconds of two times one after the other, each begun anew from the
// first on if a fault of `rate` comes: (1 - phi) / (rate phi) in all, where phi
// is the chance that both are undisturbed.
struct Down {
  double first = 0, second = 0;

  Down(const RandomTime& a, const RandomTime& b, double rate) {
    if (rate <= 0) {
      first = a.mean();
      second = b.mean();
      return;
    }
    const double phi_a = a.chance_undisturbed(rate);
    const double phi_b = b.chance_undisturbed(rate);
    const double attempts = 1 / std::max(phi_a * phi_b, 1e-130);
    first = attempts * (1 - phi_a) / rate;
    second = attempts * phi_a * (1 - phi_b) / rate;
  }
};

// A segment of work between two saves, when faults of `rate` throw it away
// (Daly 2006): exp(rate (work + cost)) - 1 faults until it is saved,
// which lose 1 / rate each, the last attempt taken off.
struct Segment {
  double faults = 0;
  double lost = 0;  // seconds of work, and of saves, thrown away

  Segment(double work_and_cost, double rate) {
    if (rate <= 0) return;
    // Beyond e^300 faults a segment no run ends; the figures stay finite.
    const double x = std::min(rate * work_and_cost, 300.0);
    faults = std::expm1(x);
    lost = (x < 1e-4 ? x * x / 2 * (1 + x / 3) : faults - x) / rate;
  }
};

// Elapsed seconds a second of useful work, by where they go.
class Elapsed {
 public:
  explicit Elapsed(const JobFaults& job) : job_(job) {
    if (job.strategy != Strategy::kRestart && job.step_seconds > 0) add_inner();
  }

  double sum() const { return parts_.sum(); }

  // Faults that throw work back to a checkpoint. `interval` elapsed.
  void add_outer(double interval) {
    const double rate = checkpoint_fault_rate(job_);
    const GoodputParts inner = parts_;
    const double inner_sum = sum();
    const double scale = inner_sum / interval;  // segments a useful second
    const Segment segment(interval + job_.checkpoint_seconds, rate);
    // Any fault disturbs a restart.
    const Down down(job_.detection, job_.restart, job_.fault_rate);
    // The newest checkpoint was not written yet when a fault came: that much
    // more is made again, and may be thrown back again.
    const double again = std::exp(std::min(rate * job_.write_seconds, 300.0));
    const double redone = rate > 0 ? (again - 1) / rate : 0;
    parts_.checkpoint += job_.checkpoint_seconds * scale;
    parts_.detection += segment.faults * down.first * again * scale;
    parts_.recovery += segment.faults * down.second * again * scale;
    // Of the time that is thrown away, some went into inner recoveries.
    const double lost = (segment.lost + segment.faults * redone) * scale;
    const double detection = inner.detection / inner_sum;
    const double recovery = inner.recovery / inner_sum;
    parts_.detection += lost * detection;
    parts_.recovery += lost * recovery;
    parts_.lost_work += lost * (1 - detection - recovery);
  }

  static double checkpoint_fault_rate(const JobFaults& job) {
    return job.strategy == Strategy::kRestart
               ? job.fault_rate
               : job.fault_rate * job.copies_lost;
  }

  GoodputParts& parts() { return parts_; }

 private:
  // Faults that copies in memory answer: the step that was under way is made
  // again.
  void add_inner() {
    const bool heals = job_.strategy == Strategy::kHeal;
    const double rate = job_.fault_rate * (1 - job_.copies_lost);
    const double step = job_.step_seconds;
    const double copy = heals ? 0 : job_.copy_seconds;
    const Segment segment(step + copy, rate);
    const Down down(heals ? RandomTime{} : job_.detection,
                    heals ? job_.heal : job_.restart, rate);
    parts_.copies = copy / step;
    parts_.lost_work = segment.lost / step;
    parts_.detection = segment.faults * down.first / step;
    parts_.recovery = segment.faults * down.second / step;
  }

  const JobFaults& job_;
  GoodputParts parts_;
};

// Of a restart that no fault began; a fault in it is one more to recover from.
double restart_seconds(const JobFaults& job) {
  const double rate = job.fault_rate;
  if (rate <= 0) return job.restart.mean();
  const Down restart(job.detection, job.restart, rate);
  const Down heal({}, job.heal, rate);
  const double heals =
      job.strategy == Strategy::kHeal ? 1 - job.copies_lost : 0;
  const double down = heals * (heal.first + heal.second) +
                      (1 - heals) * (restart.first + restart.second);
  const double disturbed = 1 - job.restart.chance_undisturbed(rate);
  return disturbed * (1 / rate + down);
}

}  // namespace

std::array<double*, 10> GoodputParts::all() {
  return {&useful,   &copies, &checkpoint, &lost_work, &detection,
          &recovery, &silent, &slow,       &planned,   &waiting};
}

double GoodputParts::sum() const {
  GoodputParts parts = *this;
  double sum = 0;
  for (const double* part : parts.all()) sum += *part;
  return sum;
}

double RandomTime::sigma() const {
  return std::sqrt(2 * std::log(std::max(tail, 1.0)));
}

double RandomTime::at(double z) const { return median * std::exp(sigma() * z); }

double RandomTime::chance_undisturbed(double rate) const {
  if (median <= 0 || rate <= 0) return 1;
  const double spread = sigma();
  if (spread == 0) return std::exp(-rate * median);
  // The trapezoid rule over the normal density; its error is far below 1e-9.
  constexpr double kStep = 0.125;
  constexpr int kSteps = 64;
  double sum = 0, weights = 0;
  for (int i = -kSteps; i <= kSteps; ++i) {
    const double z = kStep * i;
    const double weight = std::exp(-z * z / 2);
    sum += weight * std::exp(-rate * median * std::exp(spread * z));
    weights += weight;
  }
  return sum / weights;
}

Strategy strategy_named(const std::string& name) {
  for (const Strategy strategy :
       {Strategy::kRestart, Strategy::kMemoryCopies, Strategy::kHeal}) {
    if (name == strategy_name(strategy)) return strategy;
  }
  throw user_error("strategy '{}': it must be restart, memory or heal", name);
}

const char* strategy_name(Strategy strategy) {
  switch (strategy) {
    case Strategy::kRestart:
      return "restart";
    case Strategy::kMemoryCopies:
      return "memory";
    case Strategy::kHeal:
      return "heal";
  }
  COLOSSUS_CHECK(false, "strategy {}", static_cast<int>(strategy));
}

FailureModel failure_model_of(const Cluster& cluster) {
  return {cluster.failures, cluster.recovery};
}

JobFaults job_faults(const FailureModel& model, int64_t num_devices,
                     double step_seconds, double bytes) {
  const Failures& f = model.failures;
  const Recovery& r = model.recovery;
  const double nodes = static_cast<double>(num_devices) / kDevicesOfRates;
  const double per_second = nodes / 1000 / kDay;
  JobFaults job;
  job.strategy = strategy_named(r.strategy);
  job.fault_rate = f.per_thousand_node_days * per_second;
  job.silent_rate = f.silent_per_thousand_node_days * per_second;
  job.slow_rate = f.slow_per_thousand_node_days * per_second;
  job.planned_rate = r.planned_stops_per_day / kDay;
  job.detection = {r.detection_seconds, r.detection_tail};
  job.restart = {r.restart_seconds, r.restart_tail};
  job.heal = {r.heal_seconds, r.heal_tail};
  job.repair = {f.repair_seconds, f.repair_tail};
  job.copies_lost = r.copies_lost;
  job.copy_seconds = r.copy_seconds;
  job.step_seconds = step_seconds;
  job.checkpoint_seconds = r.checkpoint_seconds;
  job.write_seconds = bytes <= 0 ? 0
                                 : std::max(bytes / r.checkpoint_bandwidth,
                                            r.checkpoint_seconds);
  job.silent_noticed_seconds = f.silent_noticed_seconds;
  job.slow_seconds = f.slow_seconds;
  job.slow_factor = f.slow_factor;
  job.burstiness = f.burstiness;
  return job;
}

GoodputParts goodput(const JobFaults& job, double interval,
                     double spares_suffice) {
  Elapsed elapsed(job);
  elapsed.add_outer(interval);
  GoodputParts parts = elapsed.parts();
  const double base = elapsed.sum();
  const double restart = restart_seconds(job);
  // Only what computes goes wrong or becomes slow.
  const double computing = parts.useful + parts.copies + parts.lost_work;
  // A silent corruption costs the work since, and back to the checkpoint that
  // was good before it.
  parts.silent =
      computing * job.silent_rate *
      (job.silent_noticed_seconds + interval / 2 + job.write_seconds + restart);
  parts.slow = computing * job.slow_rate *
               (job.slow_seconds * (1 - 1 / job.slow_factor) + restart);
  parts.planned = base * job.planned_rate * (job.checkpoint_seconds + restart);
  const double ready = base + parts.silent + parts.slow + parts.planned;
  const double all = ready / spares_suffice;
  parts.waiting = all - ready;
  for (double* part : parts.all()) *part /= all;
  return parts;
}

double checkpoint_rate(const JobFaults& job) {
  return Elapsed::checkpoint_fault_rate(job) + job.silent_rate;
}

double best_interval(const JobFaults& job) {
  const double rate = checkpoint_rate(job);
  const double shortest = std::max(job.write_seconds, job.step_seconds);
  if (rate <= 0) return std::max(shortest, 365 * kDay);
  return std::max(shortest, exact_interval(job.checkpoint_seconds, rate));
}

}  // namespace colossus::planner
