// One plot of curves over the steps of a run, or over anything else, as a
// <figure> of HTML and SVG.
//
// The SVG stretches with the window while strokes and letters keep their size:
// curves stand in an inner <svg> that scales, labels at percentages outside it.
// The page's style and script (page.h) colour it and read it out.
#pragma once

#include <string>
#include <vector>

#include "drawing/curve.h"

namespace colossus::drawing {

struct PlotSeries {
  std::string name;       // "training loss"
  std::string style;      // a class of the page: "main", "faint", "second"
  Curve curve;            // ascending by x
  bool has_dots = false;  // few points, each of them a measurement
  bool has_line = true;
  // Of the points, for the read-out; or none.
  std::vector<std::string> labels = {};
};

struct LinePlot {
  std::string id;     // unique in the page
  std::string title;  // "Loss"
  std::string unit;   // "nats per token"
  std::vector<PlotSeries> series;
  std::string x_name = "step";  // in the read-out, and below the axis
  bool is_log_x = false;        // x > 0
  std::vector<double> x_ticks;  // where they stand; empty: at round numbers
  // An axis of steps covers at least these.
  double first_step = 1;
  double last_step = 1;
  std::vector<double> marks;  // dotted vertical lines: where the run resumed
  bool is_log = false;
  bool starts_at_zero = false;
  // Of a long run the first 4% do not set the vertical range, which their steep
  // fall would fill; the caption then says how high it reached.
  bool cuts_off_start = false;
  int height = 200;  // pixels of the plotting area
  bool is_wide = false;
  bool has_mark_legend = false;
  // Every point is shown as it is: else long curves lose some.
  bool keeps_all_points = false;
};

// Nothing if no series has a point.
std::string plot_html(const LinePlot& plot);

}  // namespace colossus::drawing
