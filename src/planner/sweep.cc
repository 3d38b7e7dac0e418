#include "planner/sweep.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "base/error.h"

namespace colossus::planner {
namespace {

constexpr size_t kMostValues = 200;
// Of a range's end, that rounding of its values may miss.
constexpr double kRounding = 1e-9;

// "200 Gb/s" -> 200, "Gb/s".
struct Figure {
  double number = 0;
  std::string unit;
  bool is_spaced = false;  // "200 Gb/s", not "32M"
};

Figure figure_of(const std::string& text, const std::string& sweep) {
  Figure figure;
  const char* end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, figure.number);
  if (error != std::errc() || !std::isfinite(figure.number)) {
    throw user_error("--sweep {}: '{}' is no number", sweep, text);
  }
  figure.unit = std::string(at, end);
  const size_t begin = figure.unit.find_first_not_of(' ');
  figure.is_spaced = begin != 0 && begin != std::string::npos;
  figure.unit.erase(0, std::min(begin, figure.unit.size()));
  return figure;
}

std::string text_of(double number, const Figure& like) {
  return fmt::format("{:.12g}{}{}", number, like.is_spaced ? " " : "",
                     like.unit);
}

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  size_t begin = 0;
  while (true) {
    const size_t end = std::min(text.find(separator, begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    if (end == text.size()) return parts;
    begin = end + 1;
  }
}

struct Increment {
  bool is_multiplied = false;
  double size = 0;
};

Increment increment_of(const std::string& text, const Figure& from,
                       const std::string& sweep) {
  const char sign = text.empty() ? ' ' : text[0];
  if (sign != 'x' && sign != '+') {
    throw user_error(
        "--sweep {}: the step '{}' must begin with x (times) or + (plus): "
        "8192:262144:x2, 100:800:+100",
        sweep, text);
  }
  const Figure figure = figure_of(text.substr(1), sweep);
  const bool fits_unit =
      figure.unit.empty() || (sign == '+' && figure.unit == from.unit);
  if (!fits_unit) {
    throw user_error("--sweep {}: the step's unit '{}' is not that of the ends",
                     sweep, figure.unit);
  }
  return {sign == 'x', figure.number};
}

void add_range(const std::vector<std::string>& parts, const std::string& sweep,
               SweepValues& values) {
  const Figure from = figure_of(parts[0], sweep);
  const Figure to = figure_of(parts[1], sweep);
  if (from.unit != to.unit) {
    throw user_error("--sweep {}: the ends have different units, '{}' and '{}'",
                     sweep, from.unit, to.unit);
  }
  const Increment step = increment_of(parts[2], from, sweep);
  const bool rises =
      step.is_multiplied ? step.size > 1 && from.number > 0 : step.size > 0;
  if (!rises || to.number < from.number) {
    throw user_error(
        "--sweep {}: from {:g} by {}{:g} never reaches {:g}; the step leads "
        "upwards from the first end to the second",
        sweep, from.number, step.is_multiplied ? "x" : "+", step.size,
        to.number);
  }
  values.is_multiplied = step.is_multiplied;
  values.unit = from.unit;
  double number = from.number;
  while (number <= to.number * (1 + kRounding)) {
    values.numbers.push_back(number);
    values.texts.push_back(text_of(number, from));
    if (values.numbers.size() > kMostValues) {
      throw user_error("--sweep {}: more than {} values", sweep, kMostValues);
    }
    number = step.is_multiplied ? number * step.size : number + step.size;
  }
}

void add_list(const std::vector<std::string>& parts, const std::string& sweep,
              SweepValues& values) {
  for (const std::string& part : parts) {
    const Figure figure = figure_of(part, sweep);
    if (!values.texts.empty() && figure.unit != values.unit) {
      throw user_error("--sweep {}: '{}' has another unit than the first value",
                       sweep, part);
    }
    values.unit = figure.unit;
    values.numbers.push_back(figure.number);
    values.texts.push_back(part);
  }
  if (parts.size() > kMostValues) {
    throw user_error("--sweep {}: more than {} values", sweep, kMostValues);
  }
  // Powers of two and the like stand even on a logarithmic axis.
  const std::vector<double>& n = values.numbers;
  values.is_multiplied = n.size() > 2 && n.front() > 0 &&
                         n.back() / n.front() >= 4 && n[1] / n[0] >= 1.5;
}

PlanFlags flags_at(const PlanFlags& flags, const std::string& key,
                   const std::string& value) {
  PlanFlags result = flags;
  result.num_layouts = 1;
  if (key == "batch-tokens") {
    result.batch_tokens = value;
  } else if (key == "seq-len") {
    result.seq_len = parse_count(value, "--sweep", key);
  } else if (key == "tokens") {
    result.tokens = value;
  } else {
    result.overrides.push_back(key + "=" + value);
  }
  return result;
}

SweepPoint point_at(const PlanFlags& flags, const SweepValues& values, size_t i,
                    ThreadPool& pool) {
  SweepPoint point;
  point.text = values.texts[i];
  point.number = values.numbers[i];
  try {
    point.plan = make_plan(
        read_plan_request(flags_at(flags, values.key, point.text)), pool);
  } catch (const UserError& error) {
    point.why_not = error.what();
  }
  return point;
}

}  // namespace

SweepValues parse_sweep(const std::string& text) {
  SweepValues values;
  const size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0 || equals + 1 == text.size()) {
    throw user_error(
        "--sweep {}: write it as KEY=FROM:TO:xFACTOR, KEY=FROM:TO:+STEP or "
        "KEY=A,B,C",
        text);
  }
  values.key = text.substr(0, equals);
  const std::string range = text.substr(equals + 1);
  const std::vector<std::string> ends = split(range, ':');
  if (ends.size() == 3) {
    add_range(ends, text, values);
  } else if (ends.size() == 1) {
    add_list(split(range, ','), text, values);
  } else {
    throw user_error(
        "--sweep {}: a range is FROM:TO:STEP, such as "
        "8192:262144:x2",
        text);
  }
  return values;
}

Sweep run_sweep(const PlanFlags& flags, const SweepValues& values,
                ThreadPool& pool, const SweepPoint* known) {
  Sweep sweep;
  sweep.values = values;
  bool any = false;
  for (size_t i = 0; i < values.texts.size(); ++i) {
    const bool is_known = known != nullptr && known->text == values.texts[i];
    sweep.points.push_back(is_known ? *known
                                    : point_at(flags, values, i, pool));
    any = any || sweep.points.back().plan;
  }
  if (!any) throw UserError(sweep.points.front().why_not);
  return sweep;
}

}  // namespace colossus::planner
