// How long to compute between two checkpoints. Each takes `cost` seconds,
// faults come at `rate` per second, and what was computed since the last
// checkpoint is lost. All return the seconds of work between two checkpoints;
// cost > 0, rate > 0.
#pragma once

namespace colossus::planner {

// Young 1974: sqrt(2 cost / rate). First order.
double young_interval(double cost, double rate);

// Daly 2006, his higher order estimate, for cost < 2 / rate; else 1 / rate.
double daly_interval(double cost, double rate);

// The exact minimum of Daly's expected time, which takes Lambert's W:
// (1 + W(-exp(-1 - rate cost))) / rate.
double exact_interval(double cost, double rate);

}  // namespace colossus::planner
