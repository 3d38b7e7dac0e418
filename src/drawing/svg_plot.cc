// See svg_plot.h.
#include "drawing/svg_plot.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/strings.h"
#include "base/utf8.h"
#include "drawing/axis.h"
#include "drawing/html.h"

namespace colossus::drawing {
namespace {

constexpr size_t kMaxPoints = 1000;
constexpr int kInnerWidth = 1000;  // units of the inner <svg>

struct Range {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();

  void add(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
  bool is_empty() const { return low > high; }
};

// What cannot be drawn is a gap: not finite, or not positive on a log axis.
bool is_drawn(const LinePlot& plot, const CurvePoint& point) {
  return std::isfinite(point.y) && (!plot.is_log || point.y > 0);
}

// Empty without a point, whatever the axis is to cover.
Range x_range_of(const LinePlot& plot) {
  Range range;
  for (const PlotSeries& series : plot.series) {
    for (const CurvePoint& point : series.curve) {
      if (is_drawn(plot, point)) range.add(point.x);
    }
  }
  return range;
}

Range y_range_of(const LinePlot& plot, double from_x) {
  Range range;
  for (const PlotSeries& series : plot.series) {
    for (const CurvePoint& point : series.curve) {
      if (is_drawn(plot, point) && point.x >= from_x) range.add(point.y);
    }
  }
  return range;
}

struct Axes {
  Axis x;
  Axis y;
};

Axes axes_of(const LinePlot& plot, const Range& x, Range y) {
  if (plot.starts_at_zero) y.add(0);
  const bool are_steps = plot.x_name == "step";
  Axis x_axis = plot.is_log_x ? log_axis(x.low, x.high)
                : are_steps   ? step_axis(x.low, x.high, 6)
                              : round_axis(x.low, x.high, 6);
  if (!plot.x_ticks.empty()) {
    x_axis.ticks.clear();
    for (const double tick : plot.x_ticks) {
      x_axis.ticks.push_back({tick, compact_count(tick)});
    }
  }
  return {x_axis,
          plot.is_log ? log_axis(y.low, y.high) : round_axis(y.low, y.high, 5)};
}

double percent(double position) { return std::round(position * 1e4) / 100; }

std::string grid_svg(const LinePlot& plot, const Axes& axes) {
  std::string svg;
  for (const Tick& tick : axes.y.ticks) {
    const double y =
        std::round(plot.height * (1 - axes.y.position(tick.value))) + 0.5;
    svg += fmt::format(
        "<line class=\"grid\" x1=\"0\" x2=\"100%\" y1=\"{0}\" y2=\"{0}\"/>"
        "<text x=\"-8\" y=\"{1}\" text-anchor=\"end\">{2}</text>",
        y, y + 3.5, tick.label);
  }
  for (const Tick& tick : axes.x.ticks) {
    const double x = percent(axes.x.position(tick.value));
    svg += fmt::format(
        "<line class=\"tick\" x1=\"{0}%\" x2=\"{0}%\" y1=\"{1}\" y2=\"{2}\"/>"
        "<text x=\"{0}%\" y=\"{3}\" text-anchor=\"middle\">{4}</text>",
        x, plot.height, plot.height + 4, plot.height + 18, tick.label);
  }
  for (const double mark : plot.marks) {
    if (mark < axes.x.low || mark > axes.x.high) continue;
    svg += fmt::format(
        "<line class=\"mark\" x1=\"{0}%\" x2=\"{0}%\" y1=\"0\" y2=\"{1}\"/>",
        percent(axes.x.position(mark)), plot.height);
  }
  return svg;
}

std::string path_of(const LinePlot& plot, const Curve& curve, const Axes& axes,
                    bool as_dots) {
  std::string path;
  bool pen_is_down = false;
  for (const CurvePoint& point : curve) {
    if (!is_drawn(plot, point)) {
      pen_is_down = false;
      continue;
    }
    path += fmt::format("{}{:.1f} {:.1f}", pen_is_down ? "L" : "M",
                        kInnerWidth * axes.x.position(point.x),
                        plot.height * (1 - axes.y.position(point.y)));
    // A stroke without length and with round ends is a dot of any scale.
    if (as_dots) path += "h0";
    pen_is_down = !as_dots;
  }
  return path;
}

// Stretches `content` over the plotting area.
std::string inner_svg(const LinePlot& plot, bool is_clipped,
                      const std::string& content) {
  return fmt::format(
      "<svg viewBox=\"0 0 {} {}\" width=\"100%\" height=\"{}\" "
      "preserveAspectRatio=\"none\" overflow=\"{}\">{}</svg>",
      kInnerWidth, plot.height, plot.height, is_clipped ? "hidden" : "visible",
      content);
}

std::string curves_svg(const LinePlot& plot, const Axes& axes) {
  std::string curves, dots;
  for (const PlotSeries& series : plot.series) {
    if (series.has_line) {
      curves += fmt::format("<path class=\"curve {}\" d=\"{}\"/>", series.style,
                            path_of(plot, series.curve, axes, false));
    }
    if (!series.has_dots && series.curve.size() > 1) continue;
    Curve shown = series.curve;
    std::erase_if(
        shown, [&](const CurvePoint& point) { return point.y > axes.y.high; });
    dots += fmt::format("<path class=\"dots {}\" d=\"{}\"/>", series.style,
                        path_of(plot, shown, axes, true));
  }
  return inner_svg(plot, plot.cuts_off_start, curves) +
         inner_svg(plot, false, dots);
}

// What a person who cannot see the curves is told.
std::string description(const LinePlot& plot) {
  std::string text;
  for (const PlotSeries& series : plot.series) {
    Range range;
    for (const CurvePoint& point : series.curve) {
      if (is_drawn(plot, point)) range.add(point.y);
    }
    if (range.is_empty()) continue;
    const CurvePoint& first = series.curve.front();
    const CurvePoint& last = series.curve.back();
    text += fmt::format(
        "{0}: {1} at {2} {3}, {4} at {2} {5}; lowest {6}, highest "
        "{7}. ",
        series.name, short_number(first.y), plot.x_name, short_number(first.x),
        short_number(last.y), short_number(last.x), short_number(range.low),
        short_number(range.high));
  }
  return text;
}

std::string caption(const LinePlot& plot) {
  std::string legend;
  if (plot.series.size() > 1) {
    for (const PlotSeries& series : plot.series) {
      legend += fmt::format("<span><i class=\"{}\"></i>{}</span>", series.style,
                            escape_html(series.name));
    }
  }
  if (plot.has_mark_legend && !plot.marks.empty()) {
    legend += "<span><i class=\"dotted\"></i>resumed</span>";
  }
  return "<figcaption>" + element("h3", "", escape_html(plot.title)) +
         element("span", "unit", escape_html(plot.unit)) +
         element("span", "legend", legend) + "</figcaption>";
}

// Text within a JSON string within a <script>: nothing in it ends either.
std::string json_text(std::string_view text) {
  std::string safe;
  for (const char c : valid_utf8(text)) {
    if (c == '<') {
      safe += "\\u003c";
    } else if (c == '"' || c == '\\') {
      safe += std::string("\\") + c;
    } else {
      safe += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    }
  }
  return safe;
}

// The numbers under the pointer, for the page's script.
std::string readout_json(const LinePlot& plot, const Axes& axes) {
  std::string series_json;
  for (const PlotSeries& series : plot.series) {
    std::string x, y, labels;
    for (size_t i = 0; i < series.curve.size(); ++i) {
      const CurvePoint& point = series.curve[i];
      if (!is_drawn(plot, point)) continue;
      const char* comma = x.empty() ? "" : ",";
      x += fmt::format("{}{:.9g}", comma, point.x);
      y += fmt::format("{}{:.5g}", comma, point.y);
      if (i >= series.labels.size()) continue;
      labels += fmt::format("{}\"{}\"", comma, json_text(series.labels[i]));
    }
    series_json += fmt::format(
        "{}{{\"name\":\"{}\",\"x\":[{}],\"y\":[{}],\"labels\":[{}]}}",
        series_json.empty() ? "" : ",", json_text(series.name), x, y, labels);
  }
  return fmt::format(
      "{{\"low\":{},\"high\":{},\"log\":{},\"xName\":\"{}\",\"series\":[{}]}}",
      axes.x.low, axes.x.high, axes.x.is_log, json_text(plot.x_name),
      series_json);
}

// Decides whether the start is cut off; the caption then says so.
Axes axes_of_shown(LinePlot& plot, const Range& x) {
  constexpr double kStart = 0.04;
  constexpr double kLongRun = 100;
  const Range all = y_range_of(plot, x.low);
  const Range later = y_range_of(plot, x.low + kStart * (x.high - x.low));
  const bool may_cut =
      plot.cuts_off_start && x.high - x.low >= kLongRun && !later.is_empty();
  Axes axes = axes_of(plot, x, may_cut ? later : all);
  plot.cuts_off_start = all.high > axes.y.high || all.low < axes.y.low;
  if (plot.cuts_off_start) {
    plot.unit +=
        fmt::format("; the first steps reach {}", short_number(all.high));
  }
  return axes;
}

}  // namespace

std::string plot_html(const LinePlot& full) {
  LinePlot plot = full;
  for (PlotSeries& series : plot.series) {
    if (plot.keeps_all_points) continue;
    series.curve = thinned(series.curve, kMaxPoints);
  }
  std::erase_if(plot.series,
                [](const PlotSeries& series) { return series.curve.empty(); });
  Range x = x_range_of(plot);
  if (x.is_empty()) return "";
  if (plot.x_name == "step") {
    x.add(plot.first_step);
    x.add(plot.last_step);
  }
  const Axes axes = axes_of_shown(plot, x);
  return fmt::format(
      "<figure class=\"plot{}\">{}<div class=\"frame\">"
      "<svg role=\"img\" aria-labelledby=\"{}-title {}-desc\" width=\"100%\" "
      "height=\"{}\" overflow=\"visible\"><title id=\"{}-title\">{}</title>"
      "<desc id=\"{}-desc\">{}</desc>{}{}"
      "<text x=\"100%\" y=\"{}\" text-anchor=\"end\">{}</text></svg>"
      "<script type=\"application/json\">{}</script></div></figure>\n",
      plot.is_wide ? " wide" : "", caption(plot), plot.id, plot.id, plot.height,
      plot.id, escape_html(plot.title), plot.id, escape_html(description(plot)),
      grid_svg(plot, axes), curves_svg(plot, axes), plot.height + 34,
      escape_html(plot.x_name), readout_json(plot, axes));
}

}  // namespace colossus::drawing
