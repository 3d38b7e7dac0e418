#include "planner/run_words.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "drawing/html.h"
#include "planner/units.h"

namespace colossus::planner {

std::string energy_text(double joules) {
  return joules < 3.6e9 ? fmt::format("{:.3g} MJ", joules / 1e6)
                        : quantity_text(joules, Unit::kJoules);
}

std::string dollars_text(double amount) {
  if (amount < 1e5) return fmt::format("${:.0f}", amount);
  std::string text = "$" + drawing::compact_count(amount);
  if (text.back() == 'G') text.back() = 'B';
  return text;
}

std::string losses_text(const GoodputParts& parts) {
  std::vector<std::pair<const char*, double>> losses = {
      {"copies in memory", parts.copies},   {"checkpoints", parts.checkpoint},
      {"work made again", parts.lost_work}, {"detection", parts.detection},
      {"recovery", parts.recovery},         {"silent corruption", parts.silent},
      {"slow nodes", parts.slow},           {"planned stops", parts.planned},
      {"waiting for spares", parts.waiting}};
  std::stable_sort(
      losses.begin(), losses.end(),
      [](const auto& a, const auto& b) { return a.second > b.second; });
  std::string text;
  for (const auto& [name, loss] : losses) {
    if (loss < 5e-5) continue;
    text +=
        fmt::format("{}{} {:.2f}%", text.empty() ? "" : ", ", name, 100 * loss);
  }
  return text;
}

}  // namespace colossus::planner
