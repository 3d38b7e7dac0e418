#include "planner/run_forecast.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "planner/spares.h"

namespace colossus::planner {
namespace {

constexpr double kHour = 3600;
constexpr double kKilowattHour = 3.6e6;  // J

// All rates of faults, times `factor`.
FailureModel with_rates(const FailureModel& model, double factor) {
  FailureModel scaled = model;
  scaled.failures.per_thousand_node_days *= factor;
  scaled.failures.silent_per_thousand_node_days *= factor;
  scaled.failures.slow_per_thousand_node_days *= factor;
  return scaled;
}

class Forecaster {
 public:
  Forecaster(const RunNeeds& needs, const Cluster& cluster,
             const FailureModel& model)
      : needs_(needs), cluster_(cluster), model_(model) {}

  RunForecast forecast() {
    const double spread = model_.failures.spread;
    const JobFaults job = job_of(1);
    f_.checkpoint_interval_seconds = best_interval(job);
    f_.checkpoint_write_seconds = job.write_seconds;
    f_.step_seconds = needs_.step_seconds * needs_.num_steps;
    f_.parts = parts_of(job);
    // A fleet with fewer faults has the greater goodput.
    f_.goodput = {f_.parts.useful, parts_of(job_of(spread)).useful,
                  parts_of(job_of(1 / spread)).useful};
    f_.seconds = {f_.step_seconds / f_.goodput.expected,
                  f_.step_seconds / f_.goodput.high,
                  f_.step_seconds / f_.goodput.low};
    f_.seconds_between_faults = 1 / job.fault_rate;
    f_.faults = f_.seconds.expected * job.fault_rate;
    add_spares(job, spread);
    add_power(job);
    add_bill();
    add_warnings();
    return std::move(f_);
  }

 private:
  JobFaults job_of(double factor) const {
    return job_faults(with_rates(model_, factor), needs_.num_devices,
                      needs_.step_seconds, needs_.checkpoint_bytes);
  }

  GoodputParts parts_of(const JobFaults& job) const {
    return goodput(job, f_.checkpoint_interval_seconds,
                   model_.recovery.spares_suffice);
  }

  void add_spares(const JobFaults& job, double spread) {
    const double suffice = model_.recovery.spares_suffice;
    f_.nodes_away = job.fault_rate * job.repair.mean();
    const auto spares = [&](double factor, double burstiness) {
      return static_cast<double>(
          spares_for(suffice, f_.nodes_away * factor, burstiness));
    };
    f_.spare_nodes = {spares(1, 0), spares(1 / spread, 0), spares(spread, 0)};
    f_.burst_spare_nodes = spares(1, job.burstiness);
    const int64_t beside = cluster_.num_devices - needs_.num_devices;
    f_.nodes_beside_job = std::floor(
        static_cast<double>(std::max<int64_t>(beside, 0)) / devices_of_node());
  }

  void add_power(const JobFaults& job) {
    const bool heals = job.strategy == Strategy::kHeal;
    const double detection = heals ? 0 : job.detection.mean();
    const double recovery = heals ? job.heal.mean() : job.restart.mean();
    f_.power = power_swing(
        {needs_.compute_seconds_of_step, needs_.exposed_wait_seconds_of_step,
         needs_.scattered_wait_seconds_of_step},
        needs_.num_devices, cluster_, job.checkpoint_seconds, detection,
        recovery);
    const GoodputParts& p = f_.parts;
    const double waits = p.copies + p.checkpoint + p.detection;
    const double idle = p.recovery + p.planned + p.waiting;
    const double spares_watts =
        f_.power.idle_watts * spare_devices() / job_devices();
    f_.mean_watts = (1 - waits - idle) * f_.power.mean_watts +
                    waits * f_.power.wait_watts + idle * f_.power.idle_watts +
                    spares_watts;
    f_.joules = f_.mean_watts * f_.seconds.expected;
    site_watts_ = f_.power.peak_watts + spares_watts;
  }

  void add_bill() {
    const Prices& prices = cluster_.prices;
    f_.device_hours =
        (job_devices() + spare_devices()) * f_.seconds.expected / kHour;
    f_.device_dollars = f_.device_hours * prices.dollars_per_device_hour;
    f_.energy_dollars =
        f_.joules / kKilowattHour * prices.dollars_per_kilowatt_hour;
  }

  void add_warnings() {
    const Power& power = cluster_.power;
    if (f_.nodes_beside_job < f_.spare_nodes.expected) {
      warn(
          "{:.0f} spare nodes are wanted, and the cluster has {:.0f} beside "
          "the job: leave it fewer GPUs, or it waits for repairs; counted as "
          "if they were there",
          f_.spare_nodes.expected, f_.nodes_beside_job);
    }
    if (f_.goodput.expected < 0.5) {
      warn(
          "more than half of the time is lost: a fault each {}, and {} to "
          "recover; see recovery.strategy",
          quantity_text(f_.seconds_between_faults, Unit::kSeconds),
          strategy_words());
    }
    if (power.site_watts > 0 && site_watts_ > power.site_watts) {
      warn("the peak of {} is above the site's {}",
           quantity_text(site_watts_, Unit::kWatts),
           quantity_text(power.site_watts, Unit::kWatts));
    }
    if (power.battery_watts > 0 && f_.power.stop_watts > power.battery_watts) {
      warn("at a fault power falls by {}, and batteries take {}",
           quantity_text(f_.power.stop_watts, Unit::kWatts),
           quantity_text(power.battery_watts, Unit::kWatts));
    }
    if (power.battery_watts > 0 &&
        f_.power.smoothing_watts > power.battery_watts) {
      warn(
          "within a step power swings by {} about its mean, and batteries "
          "take {}",
          quantity_text(f_.power.smoothing_watts, Unit::kWatts),
          quantity_text(power.battery_watts, Unit::kWatts));
    }
    if (power.battery_joules > 0 &&
        f_.power.stop_joules > power.battery_joules) {
      warn("a stop of mean length leaves {} over, and batteries hold {}",
           quantity_text(f_.power.stop_joules, Unit::kJoules),
           quantity_text(power.battery_joules, Unit::kJoules));
    }
  }

  std::string strategy_words() const {
    const JobFaults job = job_of(1);
    return quantity_text(job.strategy == Strategy::kHeal
                             ? job.heal.mean()
                             : job.detection.mean() + job.restart.mean(),
                         Unit::kSeconds);
  }

  template <typename... Args>
  void warn(fmt::format_string<Args...> text, Args&&... args) {
    f_.warnings.push_back(fmt::format(text, std::forward<Args>(args)...));
  }

  double devices_of_node() const {
    return static_cast<double>(cluster_.node.num_devices);
  }
  double job_devices() const { return static_cast<double>(needs_.num_devices); }
  double spare_devices() const {
    return f_.spare_nodes.expected * devices_of_node();
  }

  const RunNeeds& needs_;
  const Cluster& cluster_;
  const FailureModel& model_;
  RunForecast f_;
  double site_watts_ = 0;
};

}  // namespace

int64_t devices_beside_spares(const Cluster& cluster,
                              const FailureModel& model) {
  const JobFaults job = job_faults(model, cluster.num_devices, 0, 0);
  const int64_t spares = spares_for(model.recovery.spares_suffice,
                                    job.fault_rate * job.repair.mean(), 0);
  return std::max<int64_t>(cluster.num_nodes() - spares, 1) *
         cluster.node.num_devices;
}

RunForecast forecast_run(const RunNeeds& needs, const Cluster& cluster,
                         const FailureModel& model) {
  return Forecaster(needs, cluster, model).forecast();
}

}  // namespace colossus::planner
