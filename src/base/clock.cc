// The real clock, and dates for people.
#include "base/clock.h"

#include <fmt/core.h>

#include <chrono>
#include <cstdint>

namespace colossus {
namespace {

class RealClock : public Clock {
 public:
  double steady_seconds() const override {
    return seconds_of(std::chrono::steady_clock::now());
  }
  double wall_seconds() const override {
    return seconds_of(std::chrono::system_clock::now());
  }

 private:
  template <typename TimePoint>
  static double seconds_of(TimePoint now) {
    return std::chrono::duration<double>(now.time_since_epoch()).count();
  }
};

}  // namespace

const Clock& real_clock() {
  static const RealClock clock;
  return clock;
}

std::string utc_text(double wall_seconds) {
  // Beyond the year 9999 the calendar below would overflow.
  constexpr double kYear10000 = 253402300800.0;
  if (!(wall_seconds >= 0 && wall_seconds < kYear10000)) return "unknown time";
  const std::chrono::sys_seconds time{
      std::chrono::seconds(static_cast<int64_t>(wall_seconds))};
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss clock{time - day};
  return fmt::format(
      "{:04}-{:02}-{:02} {:02}:{:02} UTC", static_cast<int>(date.year()),
      static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
      clock.hours().count(), clock.minutes().count());
}

}  // namespace colossus
