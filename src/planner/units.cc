#include "planner/units.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <vector>

#include "base/error.h"

namespace colossus::planner {
namespace {

struct Suffix {
  std::string name;
  double factor;
  bool printed;        // among those that quantity_text chooses from
  double divisor = 1;  // 1 / factor where only that is exact
};

struct UnitRules {
  const char* noun;              // "a bandwidth"
  const char* examples;          // of it
  double min, max;               // what a machine can have
  std::vector<Suffix> suffixes;  // printed ones ascending
};

using Suffixes = std::vector<Suffix>;

// "GB/s" and the like: `symbol` under each decimal prefix, times `factor`.
Suffixes decimal(const std::string& symbol, double factor, bool printed) {
  Suffixes list;
  double power = factor;
  for (const char* prefix : {"", "k", "M", "G", "T", "P", "E"}) {
    list.push_back({prefix + symbol, power, printed});
    power *= 1000;
  }
  return list;
}

Suffixes binary(const std::string& symbol) {
  Suffixes list;
  double power = 1024;
  for (const char* prefix : {"Ki", "Mi", "Gi", "Ti", "Pi"}) {
    list.push_back({prefix + symbol, power, false});
    power *= 1024;
  }
  return list;
}

Suffixes operator+(Suffixes a, const Suffixes& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

Suffixes count_suffixes() {
  return {{"", 1, true},       {"k", 1e3, true},       {"M", 1e6, true},
          {"B", 1e9, true},    {"T", 1e12, true},      {"G", 1e9, false},
          {"Ki", 1024, false}, {"Mi", 1 << 20, false}, {"Gi", 1 << 30, false}};
}

Suffixes energy_suffixes() {
  constexpr double kHour = 3600;
  return decimal("J", 1, false) + Suffixes{{"J", 1, true},
                                           {"Wh", kHour, true},
                                           {"kWh", 1e3 * kHour, true},
                                           {"MWh", 1e6 * kHour, true},
                                           {"GWh", 1e9 * kHour, true}};
}

Suffixes time_suffixes() {
  return {
      {"ns", 1e-9, true, 1e9}, {"us", 1e-6, true, 1e6}, {"ms", 1e-3, true, 1e3},
      {"s", 1, true},          {"min", 60, true},       {"h", 3600, true},
      {"days", 86400, true},   {"day", 86400, false},   {"d", 86400, false}};
}

UnitRules make_rules(Unit unit) {
  switch (unit) {
    case Unit::kNumber:
      return {"a number", "3.8", 1e-12, 1e12, {{"", 1, true}}};
    case Unit::kCount:
      return {"a whole number", "131072\" or \"32M", 1, 1e18, count_suffixes()};
    case Unit::kShare:
      return {"a share",
              "0.95\" or \"95%",
              1e-6,
              1,
              {{"%", 0.01, true, 100}, {"", 1, false}}};
    case Unit::kBytes:
      return {"an amount of bytes", "80 GB\" or \"64 GiB", 1, 1e21,
              decimal("B", 1, true) + binary("B")};
    case Unit::kBytesPerSecond:
      return {"a bandwidth", "400 Gb/s\" or \"50 GB/s", 1e3, 1e16,
              decimal("B/s", 1, true) + binary("B/s") +
                  decimal("b/s", 1.0 / 8, false)};
    case Unit::kFlops:
      return {"a rate of FLOPs", "989.4 TFLOP/s", 1e6, 1e21,
              decimal("FLOP/s", 1, true)};
    case Unit::kWatts:
      return {"a power", "700 W\" or \"1.3 kW", 1e-3, 1e12,
              decimal("W", 1, true)};
    case Unit::kWattsPerSecond:
      return {"a ramp of power", "15 MW/s", 1e-3, 1e18,
              decimal("W/s", 1, true)};
    case Unit::kJoules:
      return {"an energy", "150 MWh\" or \"2 MJ", 1e-6, 1e18,
              energy_suffixes()};
    case Unit::kSeconds:
      return {"a time", "15 min\" or \"14 us", 1e-12, 1e11, time_suffixes()};
    case Unit::kDollarsPerHour:
      return {"a price an hour", "2.1 $/h", 1e-6, 1e6, {{"$/h", 1, true}}};
    case Unit::kDollarsPerKilowattHour:
      return {"a price of energy",
              "0.07 $/kWh\" or \"70 $/MWh",
              1e-6,
              1e3,
              {{"$/kWh", 1, true}, {"$/MWh", 1e-3, false, 1e3}}};
  }
  COLOSSUS_CHECK(false, "unit {}", static_cast<int>(unit));
}

const UnitRules& rules_of(Unit unit) {
  static const std::vector<UnitRules> all = [] {
    std::vector<UnitRules> rules;
    for (int i = 0; i <= static_cast<int>(Unit::kDollarsPerKilowattHour); ++i) {
      rules.push_back(make_rules(static_cast<Unit>(i)));
    }
    return rules;
  }();
  return all[static_cast<size_t>(unit)];
}

// Throws what is wrong with `text`, and what it should be.
class Reader {
 public:
  Reader(std::string_view text, Unit unit, Zero zero, const std::string& where,
         const std::string& key)
      : text_(text),
        rules_(rules_of(unit)),
        unit_(unit),
        zero_(zero),
        where_(where),
        key_(key) {}

  double read() const {
    double number = 0;
    const char* end = text_.data() + text_.size();
    const auto [at, error] = std::from_chars(text_.data(), end, number);
    if (at == text_.data() || !starts_as_number()) refuse("is no figure");
    if (error == std::errc::result_out_of_range) refuse("is out of all range");
    std::string_view suffix(at, static_cast<size_t>(end - at));
    while (!suffix.empty() && suffix.front() == ' ') suffix.remove_prefix(1);
    const double value = in_base(number, suffix);
    check(number, value);
    return value;
  }

 private:
  // from_chars takes "inf" and "nan" too.
  bool starts_as_number() const {
    const char c =
        text_.front() == '-' && text_.size() > 1 ? text_[1] : text_.front();
    return (c >= '0' && c <= '9') || c == '.';
  }

  double in_base(double number, std::string_view name) const {
    for (const Suffix& suffix : rules_.suffixes) {
      if (suffix.name != name) continue;
      return suffix.divisor > 1 ? number / suffix.divisor
                                : number * suffix.factor;
    }
    if (name.empty()) refuse("has no unit");
    refuse(fmt::format("has the unknown unit '{}'", name.substr(0, 20)));
  }

  void check(double number, double value) const {
    if (number == 0 && zero_ == Zero::kAllowed) return;
    if (number < 0 && zero_ == Zero::kAllowed) refuse("is below 0");
    if (number <= 0) refuse("is not above 0");
    if (value > rules_.max) {
      refuse(fmt::format("is beyond {}", quantity_text(rules_.max, unit_)));
    }
    if (unit_ == Unit::kCount && value != std::floor(value)) {
      refuse("is not whole");
    }
    if (value < rules_.min) {
      refuse(fmt::format("is below {}", quantity_text(rules_.min, unit_)));
    }
  }

  [[noreturn]] void refuse(const std::string& why) const {
    throw user_error("{}: '{}' = \"{}\" {}; it must be {} such as \"{}\"",
                     where_, key_, text_.substr(0, 40), why, rules_.noun,
                     rules_.examples);
  }

  std::string_view text_;
  const UnitRules& rules_;
  Unit unit_;
  Zero zero_;
  const std::string& where_;
  const std::string& key_;
};

// Three significant digits, no exponent, no zeros at the end.
std::string three_digits(double value) {
  if (value == 0) return "0";
  const double size = std::floor(std::log10(value));
  const int decimals = std::max(0, 2 - static_cast<int>(size));
  const double scale = std::pow(10, size - 2);
  std::string text =
      size > 2 ? fmt::format("{:.0f}", std::round(value / scale) * scale)
               : fmt::format("{:.{}f}", value, decimals);
  if (text.find('.') != std::string::npos) {
    text.erase(text.find_last_not_of('0') + 1);
    if (text.back() == '.') text.pop_back();
  }
  return text;
}

}  // namespace

double parse_quantity(std::string_view text, Unit unit,
                      const std::string& where, const std::string& key,
                      Zero zero) {
  if (text.empty()) text = " ";  // from_chars and the message want a character
  return Reader(text, unit, zero, where, key).read();
}

int64_t parse_count(std::string_view text, const std::string& where,
                    const std::string& key) {
  return static_cast<int64_t>(parse_quantity(text, Unit::kCount, where, key));
}

std::string quantity_text(double value, Unit unit) {
  const Suffix* chosen = nullptr;
  for (const Suffix& suffix : rules_of(unit).suffixes) {
    if (!suffix.printed) continue;
    // 999.6 of the smaller unit would round to 1000.
    const bool reached =
        value == 0 ? suffix.factor <= 1 : value >= 0.9995 * suffix.factor;
    if (chosen == nullptr || reached) chosen = &suffix;
  }
  const std::string number = three_digits(value / chosen->factor);
  const bool attached =
      unit == Unit::kCount || unit == Unit::kNumber || unit == Unit::kShare;
  return number + (attached ? "" : " ") + chosen->name;
}

}  // namespace colossus::planner
