#include "planner/published_goodput.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace colossus::planner {

double goodput_of_wall(double between, double downtime) {
  return std::max(0.0, (between - downtime) / between);
}

double goodput_of_uptime(double up, double downtime) {
  return up / (up + downtime);
}

double expected_ettr(double rate, double restart, double interval,
                     double save) {
  return (1 - rate * (restart + interval / 2)) / (1 + save / interval);
}

Gaps gaps_named(const std::string& name) {
  if (name == "regular") return Gaps::kRegular;
  if (name == "uniform") return Gaps::kUniform;
  if (name == "exponential") return Gaps::kExponential;
  throw user_error("gaps '{}': they must be regular, uniform or exponential",
                   name);
}

double undisturbed_share(Gaps gaps, double mean, double step) {
  switch (gaps) {
    case Gaps::kRegular:
      return std::max(0.0, 1 - step / mean);
    case Gaps::kUniform: {
      const double share = std::max(0.0, 1 - step / (2 * mean));
      return share * share;
    }
    case Gaps::kExponential:
      return std::exp(-step / mean);
  }
  COLOSSUS_CHECK(false, "gaps {}", static_cast<int>(gaps));
}

}  // namespace colossus::planner
