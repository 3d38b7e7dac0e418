#include "planner/spares.h"

#include <algorithm>
#include <cmath>

namespace colossus::planner {
namespace {

// The law of the number away, its chances one after the other.
class Away {
 public:
  Away(double mean, double burstiness) : mean_(mean) {
    if (burstiness > 0) shape_ = 1 / (burstiness * burstiness);
    const double variance = mean + (is_poisson() ? 0 : mean * mean / shape_);
    deviation_ = std::sqrt(variance);
    // Below, all chances together are negligible.
    number_ = std::max(0.0, std::floor(mean - 12 * deviation_));
    chance_ = first_chance();
  }

  int64_t number() const { return static_cast<int64_t>(number_); }
  double chance() const { return chance_; }
  void advance() {
    chance_ *= is_poisson() ? mean_ / (number_ + 1)
                            : (number_ + shape_) / (number_ + 1) * mean_ /
                                  (shape_ + mean_);
    ++number_;
  }
  // Beyond, no double can tell the sum from 1.
  bool is_over() const { return number_ > mean_ + 60 * deviation_ + 100; }

 private:
  bool is_poisson() const { return shape_ == 0; }

  double first_chance() const {
    const double n = number_;
    if (mean_ <= 0) return 1;
    if (is_poisson()) {
      return std::exp(n * std::log(mean_) - mean_ - std::lgamma(n + 1));
    }
    return std::exp(std::lgamma(n + shape_) - std::lgamma(shape_) -
                    std::lgamma(n + 1) +
                    shape_ * std::log(shape_ / (shape_ + mean_)) +
                    n * std::log(mean_ / (shape_ + mean_)));
  }

  double mean_;
  double shape_ = 0;
  double deviation_ = 0;
  double number_ = 0;
  double chance_ = 0;
};

}  // namespace

int64_t spares_for(double suffice, double mean_away, double burstiness) {
  Away away(mean_away, burstiness);
  double sum = away.chance();
  while (sum < suffice && !away.is_over()) {
    away.advance();
    sum += away.chance();
  }
  return away.number();
}

double share_within(int64_t spares, double mean_away, double burstiness) {
  double sum = 0;
  for (Away away(mean_away, burstiness); away.number() <= spares;
       away.advance()) {
    sum += away.chance();
    if (away.is_over()) break;
  }
  return std::min(sum, 1.0);
}

}  // namespace colossus::planner
