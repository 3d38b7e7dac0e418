#include "planner/run_forecast.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "planner/cluster_file.h"

namespace colossus::planner {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

// 8,000 of 8,800 H100: 1,000 nodes and 100 beside them. 4 faults per 1,000
// node-days: one each 6 h. 200 s to recover, 5 days away: 20 nodes.
Cluster plain_cluster() {
  Cluster cluster = make_cluster("H100-SXM", 8800);
  Failures& f = cluster.failures;
  f.per_thousand_node_days = 4;
  f.spread = 2;
  f.silent_per_thousand_node_days = 0;
  f.slow_per_thousand_node_days = 0;
  f.repair_seconds = 86400;
  f.repair_tail = 5;
  Recovery& r = cluster.recovery;
  r.detection_seconds = 60;
  r.restart_seconds = 140;
  r.detection_tail = r.restart_tail = 1;
  r.planned_stops_per_day = 0;
  r.checkpoint_seconds = 10;
  r.checkpoint_bandwidth = 1e11;
  cluster.power.watts_per_device = 1300;
  cluster.prices = {2, 0.1};
  return cluster;
}

// 100,000 steps of 10 s, of which 2 s wait.
RunNeeds plain_needs() { return {10, 1e5, 8000, 1e12, 8, 2, 0}; }

RunForecast plain_forecast(const Cluster& cluster) {
  return forecast_run(plain_needs(), cluster, failure_model_of(cluster));
}

TEST(RunForecast, IsTheClosedFormAtTheBestInterval) {
  const Cluster cluster = plain_cluster();
  const RunForecast f = plain_forecast(cluster);
  EXPECT_DOUBLE_EQ(f.seconds_between_faults, 21600);
  EXPECT_EQ(f.step_seconds, 1e6);
  EXPECT_EQ(f.checkpoint_write_seconds, 10);
  // Daly: 657.27 (1 + 0.01522 / 3) - 10 = 650.6.
  EXPECT_NEAR(f.checkpoint_interval_seconds, 650.6, 0.1);
  // 10 / 651 checkpoints, (332 + 200 + 10) / 21600 a fault, 0.1% waiting.
  EXPECT_NEAR(f.goodput.expected, 1 / (1 + 0.0154 + 0.0251) * 0.999, 1e-3);
  EXPECT_DOUBLE_EQ(f.seconds.expected, 1e6 / f.goodput.expected);
  EXPECT_NEAR(f.faults, f.seconds.expected / 21600, 1e-9);
  EXPECT_DOUBLE_EQ(f.parts.useful, f.goodput.expected);
}

// Half and twice the rate: (332 + 200 + 10) / 43200 and / 10800.
TEST(RunForecast, SpreadsAsFleetsDo) {
  const RunForecast f = plain_forecast(plain_cluster());
  EXPECT_NEAR(f.goodput.high, 1 / (1 + 0.0154 + 0.0125) * 0.999, 1e-3);
  EXPECT_NEAR(f.goodput.low, 1 / (1 + 0.0154 + 0.0502) * 0.999, 2e-3);
  EXPECT_DOUBLE_EQ(f.seconds.high, 1e6 / f.goodput.low);
}

// 20 away in the mean; Poisson, 99.9%: 35. Of half the rate, 10: 21; twice, 40:
// 61 (tables of the Poisson law).
TEST(RunForecast, CountsSpares) {
  const RunForecast f = plain_forecast(plain_cluster());
  EXPECT_DOUBLE_EQ(f.nodes_away, 20);
  EXPECT_EQ(f.spare_nodes.expected, 35);
  EXPECT_EQ(f.spare_nodes.low, 21);
  EXPECT_EQ(f.spare_nodes.high, 61);
  EXPECT_GT(f.burst_spare_nodes, f.spare_nodes.expected);
  EXPECT_EQ(f.nodes_beside_job, 100);
  EXPECT_THAT(f.warnings, IsEmpty());
}

// 8,280 GPUs; 2 $/h and 0.1 $/kWh. Each GPU 1300 W computing; waiting
// (600 + 0.3 x 700) = 810: mean of a step 1202 W; idle 670 W.
TEST(RunForecast, IsABill) {
  const RunForecast f = plain_forecast(plain_cluster());
  const double hours = f.seconds.expected / 3600;
  EXPECT_NEAR(f.device_hours, 8280 * hours, 1e-3);
  EXPECT_NEAR(f.device_dollars, 2 * 8280 * hours, 1e-3);
  EXPECT_DOUBLE_EQ(f.power.mean_watts, 8000 * 1202.0);
  const GoodputParts& p = f.parts;
  const double waits = p.checkpoint + p.detection;
  const double idle = p.recovery + p.waiting;
  const double watts =
      8000 * (1202 * (1 - waits - idle) + 810 * waits + 670 * idle) + 280 * 670;
  EXPECT_NEAR(f.mean_watts, watts, 1);
  EXPECT_NEAR(f.energy_dollars, watts / 1000 * hours * 0.1, 0.1);
}

TEST(RunForecast, WarnsOfWhatTheClusterDoesNotHave) {
  Cluster cluster = plain_cluster();
  cluster.num_devices = 8080;
  cluster.power.site_watts = 10e6;  // 10.4 MW of the job alone
  cluster.power.battery_watts = 1e6;
  cluster.power.battery_joules = 1e6;
  const RunForecast f = plain_forecast(cluster);
  EXPECT_THAT(f.warnings,
              Contains(HasSubstr("35 spare nodes are wanted, and the cluster "
                                 "has 10 beside the job")));
  EXPECT_THAT(f.warnings, Contains(HasSubstr("above the site's 10 MW")));
  EXPECT_THAT(f.warnings, Contains(HasSubstr("at a fault power falls by 4.26 "
                                             "MW, and batteries take 1 MW")));
  EXPECT_THAT(f.warnings, Contains(HasSubstr("swings by 3.14 MW")));
  EXPECT_THAT(f.warnings, Contains(HasSubstr("batteries hold 278 Wh")));
}

// 1,100 nodes, 4 per 1,000 node-days, 5 days: 22 away; Poisson, 99.9%: 38.
TEST(RunForecast, LeavesAJobAllButItsSpares) {
  const Cluster cluster = plain_cluster();
  EXPECT_EQ(devices_beside_spares(cluster, failure_model_of(cluster)),
            (1100 - 38) * 8);
  const Cluster small = make_cluster("H100-SXM", 8);
  EXPECT_EQ(devices_beside_spares(small, failure_model_of(small)), 8);
}

TEST(RunForecast, IsToldInWords) {
  const Cluster cluster = plain_cluster();
  const std::string text = forecast_text(plain_forecast(cluster), cluster);
  EXPECT_THAT(text, HasSubstr("  faults             48, one each 6 h\n"));
  EXPECT_THAT(text, HasSubstr("35 nodes (21 to 61; "));
  EXPECT_THAT(text, HasSubstr("mean of a step 9.62 MW"));
  EXPECT_THAT(text, HasSubstr("at 2 $/h: $4.79M"));
}

TEST(RunForecast, HealingBeatsRestarts) {
  Cluster cluster = plain_cluster();
  const double restart = plain_forecast(cluster).goodput.expected;
  cluster.recovery.strategy = "heal";
  EXPECT_GT(plain_forecast(cluster).goodput.expected, restart);
}

}  // namespace
}  // namespace colossus::planner
