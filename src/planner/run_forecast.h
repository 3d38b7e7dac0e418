// What a whole run takes: days, goodput, spares, energy, power, money. From the
// time of a step (step_cost.h) and what a cluster's file says of faults and
// power; the formulas and their sources stand in docs/goodput.md.
//
// A forecast is closed form, in microseconds; goodput_simulation.h plays the
// same run event by event.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "planner/goodput.h"
#include "planner/hardware.h"
#include "planner/power_swing.h"

namespace colossus::planner {

struct RunNeeds {
  double step_seconds = 0;
  double num_steps = 0;
  int64_t num_devices = 0;      // of the job, without spares
  double checkpoint_bytes = 0;  // of the whole model; 0 = nothing to write
  // Of a step: all devices compute; all wait at once for each other; or some
  // wait at any time (pipeline bubbles, short collectives).
  double compute_seconds_of_step = 0;
  double exposed_wait_seconds_of_step = 0;
  double scattered_wait_seconds_of_step = 0;
};

// A figure and the 80% interval that the spread of fault rates alone gives it.
struct Spread {
  double expected = 0;
  double low = 0;
  double high = 0;

  template <typename Visitor>
  void visit(Visitor& v, const std::string& name, Unit unit,
             const std::string& help) {
    v.field(name, expected, unit, help);
    v.field(name + "_low", low, unit, "10% of fleets are below");
    v.field(name + "_high", high, unit, "90% of fleets are below");
  }
};

struct RunForecast {
  Spread seconds;           // elapsed, from the first step to the last
  double step_seconds = 0;  // of all steps, each counted once
  Spread goodput;           // step_seconds / seconds
  GoodputParts parts;       // of the elapsed time
  double faults = 0;        // that stop the job
  double seconds_between_faults = 0;
  double checkpoint_interval_seconds = 0;  // the best one, elapsed
  double checkpoint_write_seconds = 0;

  Spread spare_nodes;            // that suffice for spares_suffice of the time
  double burst_spare_nodes = 0;  // the same if faults come in bursts
  double nodes_away = 0;         // mean, in repair
  double nodes_beside_job = 0;   // that the cluster has

  PowerSwing power;
  double joules = 0;          // of the whole run, spares with it
  double mean_watts = 0;      // over the run, stops with it
  double device_hours = 0;    // of job and spares
  double device_dollars = 0;  // 0 = no price
  double energy_dollars = 0;

  std::vector<std::string> warnings;

  template <typename Visitor>
  void visit_quantities(Visitor& v) {
    seconds.visit(v, "time", Unit::kSeconds, "from the first step to the last");
    v.field("time_of_steps", step_seconds, Unit::kSeconds,
            "of all steps, each counted once");
    goodput.visit(v, "goodput", Unit::kShare, "time of steps over elapsed");
    parts.visit_quantities(v);
    v.field("faults", faults, Unit::kNumber, "that stop the job");
    v.field("time_between_faults", seconds_between_faults, Unit::kSeconds,
            "elapsed");
    v.field("checkpoint_interval", checkpoint_interval_seconds, Unit::kSeconds,
            "the best one, elapsed");
    v.field("checkpoint_write", checkpoint_write_seconds, Unit::kSeconds,
            "from its snapshot until it can be used");
    spare_nodes.visit(v, "spare_nodes", Unit::kNumber, "that suffice");
    v.field("burst_spare_nodes", burst_spare_nodes, Unit::kNumber,
            "that suffice where faults come in bursts");
    v.field("nodes_away", nodes_away, Unit::kNumber, "in repair, mean");
    v.field("nodes_beside_job", nodes_beside_job, Unit::kNumber,
            "that the cluster has");
    power.visit_quantities(v);
    v.field("energy", joules, Unit::kJoules, "of the run, spares with it");
    v.field("mean_power", mean_watts, Unit::kWatts, "over the run");
    v.field("gpu_hours", device_hours, Unit::kNumber, "of job and spares");
    v.field("gpu_dollars", device_dollars, Unit::kNumber,
            "their price; 0 = none given");
    v.field("energy_dollars", energy_dollars, Unit::kNumber,
            "the energy's price; 0 = none given");
  }
};

// `model`: failure_model_of(cluster), or what a user asks about instead.
// needs.num_devices may leave devices of the cluster as spares; where it leaves
// too few, the forecast counts as if they were there, and warns.
RunForecast forecast_run(const RunNeeds& needs, const Cluster& cluster,
                         const FailureModel& model);

// The devices of whole nodes that a job may use so that the rest are the spares
// it wants; at least one node.
int64_t devices_beside_spares(const Cluster& cluster,
                              const FailureModel& model);

// The forecast for people, some 20 lines.
std::string forecast_text(const RunForecast& forecast, const Cluster& cluster);

}  // namespace colossus::planner
