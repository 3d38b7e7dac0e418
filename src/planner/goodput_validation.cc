#include "planner/goodput_validation.h"

#include <algorithm>

#include "base/error.h"
#include "config/rules.h"
#include "planner/checkpoint_interval.h"
#include "planner/embedded_data.h"
#include "planner/goodput.h"
#include "planner/published_goodput.h"

namespace colossus::planner {
namespace {

using config::require;
using config::TomlValue;

constexpr double kHour = 3600;

class Scorer {
 public:
  Scorer(std::string id, const std::string& where) : where_(where) {
    scored_.id = std::move(id);
  }

  ScoredGoodput score(const std::vector<TomlValue>& values) {
    PublishedGoodput& row = scored_.row;
    read_quantities(values, quantities_of(row, scored_.id + "."),
                    Grade::kPublished, &scored_.inputs);
    keep_figures_only();
    need(row.published, "published");
    require(row.relation == "about" || row.relation == "above",
            "{}: '{}.relation' = \"{}\" must be about or above", where_,
            scored_.id, row.relation);
    scored_.computed = compute();
    scored_.error = scored_.computed / row.published - 1;
    scored_.holds = scored_.computed > row.published;
    return std::move(scored_);
  }

 private:
  // The inputs of the formula, without the section's name.
  void keep_figures_only() {
    const std::vector<std::string> words = {"what",    "source",   "definition",
                                            "formula", "relation", "published"};
    std::erase_if(scored_.inputs, [&](Input& input) {
      input.key = input.key.substr(scored_.id.size() + 1);
      return std::find(words.begin(), words.end(), input.key) != words.end();
    });
  }

  double compute() {
    const PublishedGoodput& row = scored_.row;
    if (row.formula == "time_between") return 1 / rate() / kHour;
    if (row.formula == "ettr") return ettr();
    if (row.formula == "steps") {
      return undisturbed_share(gaps_named(row.gaps),
                               need(row.between_seconds, "time_between"),
                               need(row.step_seconds, "step"));
    }
    scored_.between_seconds = 1 / rate();
    scored_.allowed_seconds = scored_.between_seconds * (1 - row.published);
    if (row.formula == "wall") {
      const double downtime = need(row.downtime_seconds, "downtime");
      scored_.computed_of_uptime =
          goodput_of_uptime(scored_.between_seconds, downtime);
      return goodput_of_wall(scored_.between_seconds, downtime);
    }
    if (row.formula == "renewal") return parts().useful;
    if (row.formula == "running") {
      const GoodputParts p = parts();
      return 1 - p.detection - p.recovery;
    }
    throw user_error(
        "{}: '{}.formula' = \"{}\" is none of time_between, ettr, "
        "wall, renewal, running, steps",
        where_, scored_.id, row.formula);
  }

  // Faults a second, in the way in which the row says it.
  double rate() const {
    const PublishedGoodput& row = scored_.row;
    if (row.between_seconds > 0) return 1 / row.between_seconds;
    if (row.stops > 0) {
      return static_cast<double>(row.stops) /
             need(row.period_seconds, "period");
    }
    FailureModel model;
    model.failures.per_thousand_node_days =
        need(row.per_thousand_node_days, "per_1000_node_days");
    model.recovery.strategy = "restart";
    need(static_cast<double>(row.num_devices), "gpus");
    return job_faults(model, row.num_devices, 0, 0).fault_rate;
  }

  double ettr() const {
    const PublishedGoodput& row = scored_.row;
    const double interval =
        row.interval_seconds > 0
            ? row.interval_seconds
            : young_interval(need(row.save_seconds, "save"), rate());
    return expected_ettr(rate(), need(row.restart_seconds, "restart"), interval,
                         row.save_seconds);
  }

  GoodputParts parts() {
    const PublishedGoodput& row = scored_.row;
    Cluster defaults;
    read_run_defaults(defaults);
    JobFaults job = job_faults(failure_model_of(defaults), 8, 0, 0);
    job.fault_rate = rate();
    job.silent_rate = job.slow_rate = job.planned_rate = 0;
    if (row.detection_seconds > 0) job.detection = {row.detection_seconds, 1};
    if (row.restart_seconds > 0) job.restart = {row.restart_seconds, 1};
    job.checkpoint_seconds = need(row.save_seconds, "save");
    job.write_seconds = row.write_seconds;
    note_default("detection", row.detection_seconds, job.detection.mean());
    note_default("restart", row.restart_seconds, job.restart.mean());
    const double interval =
        row.interval_seconds > 0 ? row.interval_seconds : best_interval(job);
    note_default("interval", row.interval_seconds, interval);
    return goodput(job, interval, 1);
  }

  void note_default(const std::string& key, double given, double used) {
    if (given > 0) return;
    scored_.inputs.push_back(
        {key, quantity_text(used, Unit::kSeconds), Grade::kAssumed,
         key == "interval" ? "the best one" : "runs.toml"});
  }

  double need(double value, const char* key) const {
    require(value > 0, "{}: '{}.{}' is missing", where_, scored_.id, key);
    return value;
  }

  const std::string& where_;
  ScoredGoodput scored_;
};

}  // namespace

std::vector<ScoredGoodput> validate_goodput(const std::string& text,
                                            const std::string& source) {
  const std::vector<TomlValue> values = config::toml_values(text, source);
  std::vector<ScoredGoodput> scored;
  for (size_t i = 0; i < values.size();) {
    const size_t dot = values[i].key.find('.');
    require(dot != std::string::npos, "{}: '{}' stands in no section",
            values[i].where, values[i].key);
    const std::string id = values[i].key.substr(0, dot);
    std::vector<TomlValue> own;
    for (; i < values.size() && values[i].key.starts_with(id + "."); ++i) {
      own.push_back(values[i]);
    }
    scored.push_back(Scorer(id, source).score(own));
  }
  return scored;
}

std::vector<ScoredGoodput> validate_goodput() {
  return validate_goodput(std::string(goodput_runs_toml()),
                          "goodput_runs.toml");
}

}  // namespace colossus::planner
