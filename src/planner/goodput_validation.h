// The formulas of goodput against what others published, each under its
// source's own definition (data/goodput_runs.toml).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "planner/quantity_fields.h"

namespace colossus::planner {

// A published figure and its inputs; 0 or "" = the source does not say.
struct PublishedGoodput {
  std::string what, source, definition, formula, relation, gaps;
  double published = 0;  // a share, or hours
  int64_t num_devices = 0;
  double per_thousand_node_days = 0;
  int64_t stops = 0;  // in period_seconds
  double period_seconds = 0;
  double between_seconds = 0;
  double downtime_seconds = 0;  // of a stop, all in
  double detection_seconds = 0;
  double restart_seconds = 0;
  double interval_seconds = 0;
  double save_seconds = 0;
  double write_seconds = 0;
  double step_seconds = 0;

  template <typename Visitor>
  void visit_quantities(Visitor& v) {
    v.field("what", what, "whose figure");
    v.field("source", source, "where it stands");
    v.field("definition", definition, "what it is a share of, in its words");
    v.field("formula", formula, "time_between, ettr, wall, renewal, ...");
    v.field("relation", relation, "about, or above");
    v.field("published", published, Unit::kNumber, "a share, or hours");
    v.field("gpus", num_devices, "of the job");
    v.field("per_1000_node_days", per_thousand_node_days, Unit::kNumber,
            "faults, nodes of 8 GPUs");
    v.field("stops", stops, "in the period");
    v.field("period", period_seconds, Unit::kSeconds, "");
    v.field("time_between", between_seconds, Unit::kSeconds,
            "elapsed between stops");
    v.field("downtime", downtime_seconds, Unit::kSeconds, "of a stop, all in");
    v.field("detection", detection_seconds, Unit::kSeconds, "");
    v.field("restart", restart_seconds, Unit::kSeconds, "");
    v.field("interval", interval_seconds, Unit::kSeconds,
            "between checkpoints");
    v.field("save", save_seconds, Unit::kSeconds, "that a checkpoint holds up");
    v.field("write", write_seconds, Unit::kSeconds, "until it can be used");
    v.field("step", step_seconds, Unit::kSeconds, "");
    v.field("gaps", gaps, "between kills: regular, uniform or exponential");
  }
};

struct ScoredGoodput {
  std::string id;  // "V1"
  PublishedGoodput row;
  std::vector<Input> inputs;  // the figures that went in
  double computed = 0;
  double error = 0;    // computed / published - 1
  bool holds = false;  // of a bound: computed is on its side
  // Elapsed between two stops, and what each may cost, all in, for the
  // published share; 0 where it is no such row.
  double between_seconds = 0;
  double allowed_seconds = 0;
  // Of a row of formula wall, were its times between stops running time alone.
  double computed_of_uptime = 0;
};

// Throws UserError: an unknown key or formula, a row without the inputs of its
// formula.
std::vector<ScoredGoodput> validate_goodput(const std::string& text,
                                            const std::string& source);
// Of the table that the program ships.
std::vector<ScoredGoodput> validate_goodput();

}  // namespace colossus::planner
