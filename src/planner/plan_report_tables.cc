// The tables of a plan's report.
#include <fmt/format.h>

#include <algorithm>

#include "base/strings.h"
#include "drawing/html.h"
#include "planner/plan_report_parts.h"
#include "planner/run_words.h"

namespace colossus::planner {
namespace {

using drawing::element;
using drawing::escape_html;

std::string section(const std::string& title, const std::string& content) {
  return element("section", "", element("h2", "", title) + content) + "\n";
}

std::string layout_row(const std::string& label, const PlannedLayout& p) {
  const Layout& l = p.layout;
  const auto number = [](int64_t value) { return with_thousands(value); };
  return table_row(
      {label, number(l.tensor), number(l.pipeline), number(l.virtual_stages),
       number(l.data), number(l.expert), number(l.context),
       number(l.zero_stage), number(l.micro_batch_size),
       escape_html(l.recomputation), fmt::format("{:.4g}", p.cost.seconds),
       fmt::format("{:.4g}\u2013{:.4g}", p.time_interval.low(p.cost.seconds),
                   p.time_interval.high(p.cost.seconds)),
       fmt::format("{:.0f}", p.flops_per_device / 1e12), percent(p.mfu),
       gigabytes(p.memory.needed()),
       drawing::compact_count(p.tokens_per_second)});
}

std::string missing_html(const MissingMemory& missing) {
  std::string text =
      fmt::format("{} a GPU are missing; the most goes to {}: {}.",
                  gigabytes(missing.missing_bytes), missing.heaviest_part,
                  gigabytes(missing.heaviest_bytes));
  if (missing.nearest_fitting) {
    const bool drops = !missing.dropped_rules.empty();
    text += fmt::format(" The nearest that fits{}{}: {}, {} a step.",
                        drops ? ", without " : "",
                        fmt::join(missing.dropped_rules, ", "),
                        fmt::join(missing.changes, ", "),
                        seconds_text(missing.nearest_fitting->cost.seconds));
  } else if (missing.devices_that_fit > 0) {
    text += fmt::format(" On {} GPUs a layout fits.",
                        with_thousands(missing.devices_that_fit));
  }
  return element("p", "hint", escape_html(text));
}

std::string watts(double value) { return quantity_text(value, Unit::kWatts); }

class RunTable {
 public:
  void add(const std::string& name, const std::string& value) {
    rows_ += table_row({escape_html(name), escape_html(value)}, "td", 2);
  }
  std::string html() const {
    return element("div", "panel rows", element("table", "named", rows_));
  }

 private:
  std::string rows_;
};

void add_time(const RunForecast& run, RunTable& table) {
  table.add("Time", fmt::format("{} ({} to {}), {} of it steps",
                                seconds_text(run.seconds.expected),
                                seconds_text(run.seconds.low),
                                seconds_text(run.seconds.high),
                                seconds_text(run.step_seconds)));
  table.add("Goodput",
            fmt::format("{} ({} to {})", percent(run.goodput.expected),
                        percent(run.goodput.low), percent(run.goodput.high)));
  table.add("Lost to", losses_text(run.parts));
  table.add("Faults", fmt::format("{:.0f}, one each {}", run.faults,
                                  seconds_text(run.seconds_between_faults)));
  table.add("Checkpoints",
            fmt::format("each {}, usable after {}",
                        seconds_text(run.checkpoint_interval_seconds),
                        seconds_text(run.checkpoint_write_seconds)));
  table.add("Spare nodes",
            fmt::format("{:.0f} ({:.0f} to {:.0f}; {:.0f} if faults come in "
                        "bursts); {:.0f} stand beside the job",
                        run.spare_nodes.expected, run.spare_nodes.low,
                        run.spare_nodes.high, run.burst_spare_nodes,
                        run.nodes_beside_job));
}

void add_power(const RunForecast& run, RunTable& table) {
  const PowerSwing& power = run.power;
  table.add("Power",
            fmt::format("peak {}, all wait {}, mean of a step {}",
                        watts(power.peak_watts), watts(power.wait_watts),
                        watts(power.mean_watts)));
  if (power.swing_watts > 0) {
    table.add(
        "Swing of a step",
        fmt::format("{}; hidden by batteries of {} and {}, or by work "
                    "for its own sake at {}",
                    watts(power.swing_watts), watts(power.smoothing_watts),
                    energy_text(power.smoothing_joules),
                    watts(power.busy_watts)));
  }
  table.add("A fault leaves over",
            fmt::format("{}, {} until the next step", watts(power.stop_watts),
                        energy_text(power.stop_joules)));
}

void add_bill(const RunForecast& run, const Prices& prices, RunTable& table) {
  std::string hours = drawing::compact_count(run.device_hours) + " GPU-hours";
  if (run.device_dollars > 0) {
    hours += fmt::format(
        " at {}: {}",
        quantity_text(prices.dollars_per_device_hour, Unit::kDollarsPerHour),
        dollars_text(run.device_dollars));
  }
  table.add("GPUs", hours);
  std::string joules = energy_text(run.joules);
  if (run.energy_dollars > 0) {
    joules += fmt::format(" at {}: {}",
                          quantity_text(prices.dollars_per_kilowatt_hour,
                                        Unit::kDollarsPerKilowattHour),
                          dollars_text(run.energy_dollars));
  }
  table.add("Energy", joules);
}

// Name and value of all that is above zero, the largest first.
struct Amount {
  std::string name;
  double value = 0;
};

std::string grade_html(Grade grade) {
  const std::string name = grade_name(grade);
  return "<span class=\"grade " + name + "\">" + name + "</span>";
}

std::string input_rows(const std::vector<Input>& inputs, bool is_assumed) {
  std::string rows;
  for (const Input& input : inputs) {
    if ((input.grade == Grade::kAssumed) != is_assumed) continue;
    rows += table_row(
        {"<code>" + escape_html(input.key) + "</code>", escape_html(input.text),
         grade_html(input.grade), escape_html(input.where)},
        "td", 4);
  }
  return rows;
}

std::string input_table(const std::string& rows) {
  return element("div", "panel rows", element("table", "named inputs", rows));
}

}  // namespace

std::string layouts_html(const PlanReport& report) {
  const Plan& plan = report.plan;
  std::string rows =
      table_row({"", "tensor", "pipeline", "virtual", "data", "expert",
                 "context", "ZeRO", "micro", "recompute", "step s", "80% range",
                 "TFLOP/s", "MFU", "memory", "tokens/s"},
                "th");
  for (size_t i = 0; i < plan.layouts.size(); ++i) {
    rows += layout_row(std::to_string(i + 1), plan.layouts[i]);
  }
  std::string missing;
  if (plan.does_not_fit) {
    rows += layout_row("does not fit", plan.does_not_fit->planned);
    missing = missing_html(*plan.does_not_fit);
  }
  return section(
      "Layouts, the fastest first",
      element("div", "panel rows scroll", element("table", "", rows)) +
          missing);
}

std::string terms_html(const PlanReport& report) {
  const StepCost& cost = shown_layout(report.plan).cost;
  std::vector<Amount> terms;
  for (size_t i = 0; i < kNumTerms; ++i) {
    if (cost.terms[i] > 0) {
      terms.push_back({term_name(static_cast<Term>(i)), cost.terms[i]});
    }
  }
  std::stable_sort(
      terms.begin(), terms.end(),
      [](const Amount& a, const Amount& b) { return a.value > b.value; });
  std::string rows;
  for (const Amount& term : terms) {
    rows += table_row({escape_html(term.name), seconds_text(term.value),
                       percent(term.value / cost.seconds, 2)});
  }
  rows += table_row(
      {"<b>all</b>", element("b", "", seconds_text(cost.seconds)), ""});
  return section("The step, term by term",
                 element("div", "panel rows", element("table", "named", rows)));
}

std::string run_html(const PlanReport& report) {
  const Plan& plan = report.plan;
  if (!plan.run) return "";
  RunTable table;
  add_time(*plan.run, table);
  add_power(*plan.run, table);
  add_bill(*plan.run, plan.request.cluster.cluster.prices, table);
  if (plan.growth) {
    const Growth& growth = *plan.growth;
    table.add(
        "Grown while it is built",
        growth.ends
            ? fmt::format("from {} to {}",
                          day_text(static_cast<int64_t>(growth.start_day)),
                          day_text(static_cast<int64_t>(growth.end_day)))
            : "never ends: no number of GPUs that it gets can train");
  }
  std::string warnings;
  for (const std::string& warning : plan.run->warnings) {
    warnings += element("p", "hint", escape_html(warning));
  }
  return section("The run", table.html() + warnings);
}

std::string inputs_html(const PlanReport& report) {
  const std::vector<Input>& inputs = report.plan.inputs;
  const std::string assumed_rows = input_rows(inputs, true);
  std::string html;
  if (!assumed_rows.empty()) {
    html += section("Assumed: neither measured nor published",
                    input_table(assumed_rows));
  }
  const std::string others = input_rows(inputs, false);
  if (others.empty()) return html;
  return html + "<section><h2>All other figures</h2><details><summary>" +
         std::to_string(inputs.size()) + " figures in all</summary>" +
         input_table(others) + "</details></section>\n";
}

}  // namespace colossus::planner
