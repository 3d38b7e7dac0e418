#include "planner/growth.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "planner/cluster_file.h"

namespace colossus::planner {
namespace {

constexpr double kDay = 86400;

std::string date(double day) {
  return day_text(static_cast<int64_t>(std::floor(day)));
}

}  // namespace

Growth plan_growth(const std::vector<Delivery>& deliveries, int64_t start_day,
                   double num_tokens,
                   const std::function<double(int64_t)>& tokens_per_second,
                   double resize_seconds) {
  Growth growth;
  growth.num_tokens = num_tokens;
  double left = num_tokens;
  double best_rate = 0;  // tokens a day
  int64_t best_devices = 0;
  double ready_day = 0;  // until then it grows
  for (size_t i = 0; i < deliveries.size(); ++i) {
    const auto from = static_cast<double>(deliveries[i].day);
    const double until = i + 1 < deliveries.size()
                             ? static_cast<double>(deliveries[i + 1].day)
                             : std::numeric_limits<double>::infinity();
    const double day = std::max(from, static_cast<double>(start_day));
    const double rate = tokens_per_second(deliveries[i].num_devices) * kDay;
    if (rate > best_rate) {
      best_rate = rate;
      best_devices = deliveries[i].num_devices;
      ready_day = growth.phases.empty() ? day : day + resize_seconds / kDay;
    }
    if (best_rate <= 0 || day >= until) continue;
    const double resized = std::clamp(ready_day, day, until);
    growth.resize_days += resized - day;
    if (growth.phases.empty()) growth.start_day = day;
    const bool is_new = growth.phases.empty() ||
                        growth.phases.back().num_devices != best_devices;
    if (is_new) growth.phases.push_back({resized, resized, best_devices, 0});
    GrowthPhase& phase = growth.phases.back();
    if (phase.num_tokens == 0) phase.first_day = resized;
    const double done = std::min(left, best_rate * (until - resized));
    left -= done;
    growth.end_day = resized + done / best_rate;
    phase.last_day = growth.end_day;
    phase.num_tokens += done;
    if (left <= 0) break;
  }
  growth.ends = best_rate > 0 && left <= 0;
  return growth;
}

std::string growth_text(const Growth& growth) {
  if (!growth.ends) {
    return "The run never ends: no delivery brings GPUs that can train it\n";
  }
  std::string text = fmt::format(
      "Started on {}, {} tokens end on {}, after {:.1f} days\n",
      date(growth.start_day), quantity_text(growth.num_tokens, Unit::kCount),
      date(growth.end_day), growth.end_day - growth.start_day);
  for (const GrowthPhase& phase : growth.phases) {
    text += fmt::format("  {} to {}  {:>9} GPUs  {:5.1f}% of the tokens\n",
                        date(phase.first_day), date(phase.last_day),
                        phase.num_devices,
                        100 * phase.num_tokens / growth.num_tokens);
  }
  if (growth.resize_days > 0) {
    text +=
        fmt::format("  {} of that spent growing\n",
                    quantity_text(growth.resize_days * kDay, Unit::kSeconds));
  }
  return text;
}

}  // namespace colossus::planner
