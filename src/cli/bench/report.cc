#include "cli/bench/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/strings.h"

namespace colossus::cli {
namespace {

constexpr size_t kSubjectWidth = 40;

bool ends_with(const std::string& text, const std::string& end) {
  return text.size() >= end.size() &&
         text.compare(text.size() - end.size(), end.size(), end) == 0;
}

// "tokens_per_second" -> "tokens/s".
std::string heading(std::string name) {
  if (ends_with(name, "_per_second")) {
    name.replace(name.size() - 11, 11, "/s");
  } else if (ends_with(name, "_seconds")) {
    name.replace(name.size() - 8, 8, " ms");
  } else if (ends_with(name, "_bytes")) {
    name.resize(name.size() - 6);
  }
  std::replace(name.begin(), name.end(), '_', ' ');
  return name;
}

std::string with_prefix(double value) {
  if (value >= 1e12) return fmt::format("{:.2f} T", value / 1e12);
  if (value >= 1e9) return fmt::format("{:.1f} G", value / 1e9);
  return fmt::format("{:.1f} M", value / 1e6);
}

void print_headings(const std::vector<Figure>& figures) {
  fmt::print("  {:{}}", "", kSubjectWidth);
  for (const Figure& f : figures) {
    const std::string text = heading(f.name);
    fmt::print("  {:>{}}", text, std::max<size_t>(text.size(), 9));
  }
  fmt::print("\n");
}

void print_figures(const std::string& subject,
                   const std::vector<Figure>& figures) {
  fmt::print("  {:{}}", subject, kSubjectWidth);
  for (const Figure& f : figures) {
    fmt::print("  {:>{}}", figure_text(f),
               std::max<size_t>(heading(f.name).size(), 9));
  }
  fmt::print("\n");
  std::fflush(stdout);
}

bool same_names(const std::vector<Figure>& a, const std::vector<Figure>& b) {
  return std::equal(
      a.begin(), a.end(), b.begin(), b.end(),
      [](const Figure& x, const Figure& y) { return x.name == y.name; });
}

}  // namespace

std::string figure_text(const Figure& figure) {
  const auto& [name, value] = figure;
  if (name == "mfu" || ends_with(name, "share")) {
    return fmt::format("{:.1f}%", 100 * value);
  }
  if (ends_with(name, "flops_per_second")) return with_prefix(value);
  if (ends_with(name, "bytes_per_second")) return with_prefix(value);
  if (ends_with(name, "_bytes")) {
    return human_bytes(static_cast<uint64_t>(value));
  }
  if (ends_with(name, "_seconds")) return fmt::format("{:.3f}", 1e3 * value);
  if (value == std::floor(value) || value >= 1000) {
    return with_thousands(static_cast<int64_t>(std::llround(value)));
  }
  return fmt::format("{:.3g}", value);
}

void Report::fact(const std::string& name, const std::string& text) {
  if (!json_) fmt::print("{}: {}\n", name, text);
  facts_.emplace_back(name, text);
}

void Report::section(const std::string& name, const std::string& title) {
  if (!json_) fmt::print("\n{}\n", title);
  sections_.push_back({name, {}});
}

void Report::row(const std::string& subject, std::vector<Figure> figures) {
  COLOSSUS_CHECK(!sections_.empty(), "row '{}' before any section", subject);
  std::vector<Row>& rows = sections_.back().rows;
  if (!json_) {
    if (rows.empty() || !same_names(rows.back().figures, figures)) {
      print_headings(figures);
    }
    print_figures(subject, figures);
  }
  rows.push_back({subject, std::move(figures)});
}

void Report::finish() const {
  if (!json_) return;
  nlohmann::ordered_json json;
  for (const auto& [name, text] : facts_) json["machine"][name] = text;
  for (const Section& section : sections_) {
    nlohmann::ordered_json& rows = json[section.name];
    if (rows.is_null()) rows = nlohmann::ordered_json::array();
    for (const Row& row : section.rows) {
      nlohmann::ordered_json object{{"subject", row.subject}};
      for (const Figure& f : row.figures) object[f.name] = f.value;
      rows.push_back(std::move(object));
    }
  }
  fmt::print("{}\n", json.dump(1));
}

double median(std::vector<double> values) {
  COLOSSUS_CHECK(!values.empty(), "the median of nothing");
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  if (values.size() % 2 == 1) return values[middle];
  return (values[middle - 1] + values[middle]) / 2;
}

}  // namespace colossus::cli
