// See svg_heat_map.h.
#include "runtime/svg_heat_map.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "base/strings.h"
#include "drawing/html.h"

namespace colossus::runtime {
namespace {

using drawing::element;

constexpr size_t kMaxCells = 8000;    // of the whole page
constexpr double kCellHeight = 0.92;  // of a row: a gap tells rows apart
constexpr int kNumLevels = 4;         // of colour, each way
// Shares relative to an even one, less 1, from which a level begins.
constexpr std::array<double, kNumLevels> kMoreFrom = {0.1, 0.25, 0.5, 1.0};
constexpr std::array<double, kNumLevels> kLessFrom = {0.1, 0.25, 0.5, 0.75};

// -4 to 4; 0 is even.
int level_of(double relative) {
  const double excess = relative - 1;
  const auto& from = excess > 0 ? kMoreFrom : kLessFrom;
  int level = 0;
  while (level < kNumLevels && std::abs(excess) >= from[level]) ++level;
  return excess > 0 ? level : -level;
}

std::string class_of(int level) {
  return fmt::format("{}{}", level > 0 ? "more" : "less", std::abs(level));
}

// One column of the maps: the mean over some points.
struct Column {
  int64_t first_step = 0;
  int64_t last_step = 0;
  ExpertLoad relative;  // share x number of experts
};

bool same_shape(const ExpertLoad& a, const ExpertLoad& b) {
  return std::equal(
      a.begin(), a.end(), b.begin(), b.end(),
      [](const auto& x, const auto& y) { return x.size() == y.size(); });
}

Column mean_of(const std::vector<const ExpertLoadPoint*>& points, size_t first,
               size_t last) {
  Column column{points[first]->step, points[last - 1]->step,
                points[first]->load};
  for (size_t layer = 0; layer < column.relative.size(); ++layer) {
    std::vector<double>& shares = column.relative[layer];
    for (size_t expert = 0; expert < shares.size(); ++expert) {
      double sum = 0;
      for (size_t i = first; i < last; ++i) {
        sum += points[i]->load[layer][expert];
      }
      shares[expert] = sum / static_cast<double>(last - first) *
                       static_cast<double>(shares.size());
    }
  }
  return column;
}

std::vector<Column> columns_of(const std::vector<ExpertLoadPoint>& points) {
  std::vector<const ExpertLoadPoint*> alike;
  size_t num_rows = 0;
  for (const ExpertLoadPoint& point : points) {
    if (same_shape(point.load, points.back().load)) alike.push_back(&point);
  }
  for (const auto& layer : points.back().load) num_rows += layer.size();
  const size_t room =
      std::clamp<size_t>(kMaxCells / std::max<size_t>(num_rows, 1), 16, 96);
  const size_t num_columns = std::min(room, alike.size());
  std::vector<Column> columns;
  for (size_t i = 0; i < num_columns; ++i) {
    columns.push_back(mean_of(alike, i * alike.size() / num_columns,
                              (i + 1) * alike.size() / num_columns));
  }
  return columns;
}

// All cells of one level of one layer as one path; neighbours of a row joined.
std::string cells_of(const std::vector<Column>& columns, size_t layer,
                     int level) {
  std::string path;
  const auto is_here = [&](size_t column, size_t expert) {
    return level_of(columns[column].relative[layer][expert]) == level;
  };
  for (size_t expert = 0; expert < columns[0].relative[layer].size();
       ++expert) {
    for (size_t at = 0; at < columns.size(); ++at) {
      if (!is_here(at, expert)) continue;
      const size_t first = at;
      while (at < columns.size() && is_here(at, expert)) ++at;
      path += fmt::format("M{} {}h{}v{}h-{}z", first, expert, at - first,
                          kCellHeight, at - first);
    }
  }
  return path;
}

std::string map_svg(const std::vector<Column>& columns, size_t layer) {
  const size_t num_experts = columns[0].relative[layer].size();
  const size_t row_height = std::clamp<size_t>(96 / num_experts, 2, 14);
  std::string svg = fmt::format(
      "<svg role=\"img\" aria-label=\"expert load of layer {}\" "
      "viewBox=\"0 0 {} {}\" width=\"100%\" height=\"{}\" "
      "preserveAspectRatio=\"none\">",
      layer, columns.size(), num_experts, num_experts * row_height);
  for (int level = -kNumLevels; level <= kNumLevels; ++level) {
    const std::string path = level == 0 ? "" : cells_of(columns, layer, level);
    if (path.empty()) continue;
    svg += fmt::format("<path class=\"{}\" d=\"{}\"/>", class_of(level), path);
  }
  return svg + "</svg>";
}

// For the page's script: per column and expert the share in thousandths.
std::string readout_json(const std::vector<Column>& columns, size_t layer) {
  std::string steps, shares;
  for (const Column& column : columns) {
    steps += fmt::format("{}[{},{}]", steps.empty() ? "" : ",",
                         column.first_step, column.last_step);
    std::string row;
    const auto& relative = column.relative[layer];
    for (const double value : relative) {
      const double share = value / static_cast<double>(relative.size());
      row += fmt::format("{}{}", row.empty() ? "" : ",",
                         std::isfinite(share) ? std::round(share * 1000) : 0);
    }
    shares += fmt::format("{}[{}]", shares.empty() ? "" : ",", row);
  }
  return fmt::format("{{\"steps\":[{}],\"shares\":[{}]}}", steps, shares);
}

std::string layer_html(const std::vector<Column>& columns, size_t layer) {
  const auto& last = columns.back().relative[layer];
  const auto [least, most] = std::minmax_element(last.begin(), last.end());
  return fmt::format(
      "<div class=\"layer\"><div class=\"label\"><b>Layer {}</b><span>ends at "
      "{:.2f}&ndash;{:.2f} &times; even</span></div><div class=\"map\">{}"
      "<script type=\"application/json\">{}</script></div>"
      "<div class=\"ends\"><span>step {}</span><span>{}</span></div></div>\n",
      layer, *least, *most, map_svg(columns, layer),
      readout_json(columns, layer), with_thousands(columns[0].first_step),
      with_thousands(columns.back().last_step));
}

std::string legend_html() {
  std::string swatches;
  for (int level = -kNumLevels; level <= kNumLevels; ++level) {
    swatches += fmt::format("<i class=\"{}\"></i>",
                            level == 0 ? "even" : class_of(level));
  }
  return element("div", "scale",
                 "<span>&le; &frac14; even</span>" + swatches +
                     "<span>&ge; 2 &times; even</span>");
}

}  // namespace

std::string expert_load_html(const std::vector<ExpertLoadPoint>& points) {
  if (points.empty() || points.back().load.empty()) return "";
  const std::vector<Column> columns = columns_of(points);
  const bool is_crowded = columns[0].relative.size() > 12;
  std::string layers;
  for (size_t layer = 0; layer < columns[0].relative.size(); ++layer) {
    if (columns[0].relative[layer].empty()) continue;
    layers += layer_html(columns, layer);
  }
  return "<figure class=\"experts\"><figcaption><h3>Expert load</h3>"
         "<span class=\"unit\">share of a layer&#39;s tokens, a row an expert"
         "</span>" +
         legend_html() + "</figcaption>" +
         element("div", is_crowded ? "layers many" : "layers", layers) +
         "</figure>\n";
}

}  // namespace colossus::runtime
