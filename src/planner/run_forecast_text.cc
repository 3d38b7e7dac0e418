// A forecast for people (run_forecast.h).
#include <fmt/format.h>

#include "planner/run_forecast.h"
#include "planner/run_words.h"

namespace colossus::planner {
namespace {

std::string time(double seconds) {
  return quantity_text(seconds, Unit::kSeconds);
}
std::string watts(double watts) { return quantity_text(watts, Unit::kWatts); }
std::string share(double share) { return fmt::format("{:.1f}%", 100 * share); }

std::string run_text(const RunForecast& f) {
  std::string text = fmt::format(
      "Run                  expected; in brackets what 80% of fleets have\n"
      "  time               {} ({} to {}), {} of it steps\n"
      "  goodput            {} ({} to {})\n"
      "  lost               {}\n"
      "  faults             {:.0f}, one each {}\n"
      "  checkpoints        each {}, usable {} after they begin\n",
      time(f.seconds.expected), time(f.seconds.low), time(f.seconds.high),
      time(f.step_seconds), share(f.goodput.expected), share(f.goodput.low),
      share(f.goodput.high), losses_text(f.parts), f.faults,
      time(f.seconds_between_faults), time(f.checkpoint_interval_seconds),
      time(f.checkpoint_write_seconds));
  text += fmt::format(
      "  spares             {:.0f} nodes ({:.0f} to {:.0f}; {:.0f} if faults "
      "come in bursts); {:.1f} in repair in the mean, {:.0f} beside the job\n",
      f.spare_nodes.expected, f.spare_nodes.low, f.spare_nodes.high,
      f.burst_spare_nodes, f.nodes_away, f.nodes_beside_job);
  return text;
}

std::string power_text(const RunForecast& f, const Cluster& cluster) {
  const PowerSwing& p = f.power;
  std::string text = fmt::format(
      "Power at the site's meter\n"
      "  all compute        {}; all wait {}; no job {}; mean of a step {}\n",
      watts(p.peak_watts), watts(p.wait_watts), watts(p.idle_watts),
      watts(p.mean_watts));
  if (p.swing_watts > 0) {
    text += fmt::format(
        "  swing of a step    {} within {}\n"
        "  to hide it         batteries of {} and {} a step; or work for its "
        "own sake while all wait: {} in the mean, {:+.1f}%\n",
        watts(p.swing_watts), time(cluster.power.swing_seconds),
        watts(p.smoothing_watts), energy_text(p.smoothing_joules),
        watts(p.busy_watts), 100 * (p.busy_watts / p.mean_watts - 1));
  }
  text += fmt::format(
      "  a checkpoint       leaves {} over\n"
      "  a fault            leaves {} over, {} until the next step\n",
      energy_text(p.checkpoint_joules), watts(p.stop_watts),
      energy_text(p.stop_joules));
  if (cluster.power.site_watts > 0) {
    text += fmt::format(
        "  the site           {} of the grid, {} of batteries\n",
        watts(cluster.power.site_watts), watts(cluster.power.battery_watts));
  }
  return text;
}

std::string bill_text(const RunForecast& f, const Cluster& cluster) {
  const Prices& prices = cluster.prices;
  std::string text = fmt::format("Bill\n  GPUs               {:.4g} M hours",
                                 f.device_hours / 1e6);
  if (prices.dollars_per_device_hour > 0) {
    text += fmt::format(
        " at {}: {}",
        quantity_text(prices.dollars_per_device_hour, Unit::kDollarsPerHour),
        dollars_text(f.device_dollars));
  }
  text += fmt::format("\n  energy             {}, {} in the mean",
                      energy_text(f.joules), watts(f.mean_watts));
  if (prices.dollars_per_kilowatt_hour > 0) {
    text += fmt::format(" at {}: {}",
                        quantity_text(prices.dollars_per_kilowatt_hour,
                                      Unit::kDollarsPerKilowattHour),
                        dollars_text(f.energy_dollars));
  }
  return text + "\n";
}

}  // namespace

std::string forecast_text(const RunForecast& forecast, const Cluster& cluster) {
  std::string text = run_text(forecast) + power_text(forecast, cluster) +
                     bill_text(forecast, cluster);
  for (const std::string& warning : forecast.warnings) {
    text += "Warning: " + warning + "\n";
  }
  return text;
}

}  // namespace colossus::planner
