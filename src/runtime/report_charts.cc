// The curves of a report, from the metrics of each step.
#include <fmt/core.h>

#include <algorithm>

#include "runtime/report_parts.h"
#include "runtime/svg_heat_map.h"
#include "drawing/svg_plot.h"

namespace colossus::runtime {
namespace {

using drawing::Curve;
using drawing::CurvePoint;
using drawing::LinePlot;
using drawing::plot_html;
using drawing::smoothed;

template <typename Event>
Curve curve_of(const std::vector<Event>& events, double Event::*field,
               double scale = 1) {
  Curve curve;
  for (const Event& event : events) {
    curve.push_back({static_cast<double>(event.step), event.*field * scale});
  }
  return curve;
}

bool has_positive(const Curve& curve) {
  return std::any_of(curve.begin(), curve.end(),
                     [](const CurvePoint& point) { return point.y > 0; });
}

std::vector<double> resume_marks(const RunHistory& history) {
  std::vector<double> marks;
  for (const RunStarted& start : history.starts) {
    if (start.step > 0) marks.push_back(static_cast<double>(start.step));
  }
  return marks;
}

LinePlot empty_plot(const RunHistory& history, const std::string& id,
                    const std::string& title, const std::string& unit) {
  LinePlot plot;
  plot.id = id;
  plot.title = title;
  plot.unit = unit;
  plot.marks = resume_marks(history);
  if (!history.steps.empty()) {
    plot.first_step = static_cast<double>(history.steps.front().step);
    plot.last_step = static_cast<double>(history.steps.back().step);
  }
  return plot;
}

// The values as they are, pale, and what they amount to.
void add_with_smoothed(const Curve& raw, const std::string& name,
                       LinePlot& plot) {
  if (raw.size() < 50) {
    plot.series.push_back({name, "main", raw, false});
    return;
  }
  const size_t length = std::max<size_t>(15, raw.size() / 40);
  plot.series.push_back({"each step", "faint", raw, false});
  plot.series.push_back({name, "main", smoothed(raw, length), false});
}

LinePlot loss_plot(const RunHistory& history) {
  LinePlot plot = empty_plot(history, "loss", "Loss", "nats per token");
  plot.is_wide = true;
  plot.height = 300;
  const Curve raw = curve_of(history.steps, &StepMetrics::loss);
  plot.cuts_off_start = true;
  plot.has_mark_legend = true;
  add_with_smoothed(raw, "training", plot);
  plot.series.push_back({"held out", "second",
                         curve_of(history.validations, &Validation::val_loss),
                         history.validations.size() <= 60});
  return plot;
}

std::string single_plot(LinePlot plot, const Curve& curve) {
  add_with_smoothed(curve, "median", plot);
  return plot_html(plot);
}

std::string learning_rate_html(const RunHistory& history) {
  LinePlot plot = empty_plot(history, "learning-rate", "Learning rate", "");
  plot.starts_at_zero = true;
  plot.series.push_back({plot.title, "main",
                         curve_of(history.steps, &StepMetrics::learning_rate),
                         false});
  return plot_html(plot);
}

std::string grad_norm_html(const RunHistory& history) {
  LinePlot plot = empty_plot(history, "grad-norm", "Gradient norm",
                             "before clipping, logarithmic");
  plot.is_log = true;
  return single_plot(plot, curve_of(history.steps, &StepMetrics::grad_norm));
}

std::string throughput_html(const RunHistory& history) {
  LinePlot plot =
      empty_plot(history, "throughput", "Throughput", "tokens per second");
  plot.starts_at_zero = true;
  return single_plot(plot,
                     curve_of(history.steps, &StepMetrics::tokens_per_second));
}

std::string mfu_html(const RunHistory& history) {
  const Curve curve = curve_of(history.steps, &StepMetrics::mfu, 100);
  if (!has_positive(curve)) return "";
  LinePlot plot =
      empty_plot(history, "mfu", "Model FLOP utilization", "% of peak");
  plot.starts_at_zero = true;
  return single_plot(plot, curve);
}

std::string aux_loss_html(const RunHistory& history) {
  const Curve curve = curve_of(history.steps, &StepMetrics::aux_loss);
  if (!has_positive(curve)) return "";
  return single_plot(
      empty_plot(history, "aux-loss", "Router loss", "auxiliary, weighted"),
      curve);
}

std::string bits_per_byte_html(const RunHistory& history) {
  const Curve curve = curve_of(history.validations, &Validation::bits_per_byte);
  if (!has_positive(curve)) return "";
  LinePlot plot = empty_plot(history, "bits-per-byte", "Held-out bits per byte",
                             "at each validation");
  plot.series.push_back({plot.title, "second", curve, curve.size() <= 60});
  return plot_html(plot);
}

}  // namespace

std::string charts_html(const ReportInput& input) {
  const RunHistory& history = input.history;
  const std::string charts =
      plot_html(loss_plot(history)) + learning_rate_html(history) +
      grad_norm_html(history) + throughput_html(history) + mfu_html(history) +
      bits_per_byte_html(history) + aux_loss_html(history) +
      expert_load_html(history.expert_loads);
  if (charts.empty()) return "";
  return "<section><div class=\"charts\">" + charts + "</div></section>";
}

}  // namespace colossus::runtime
