#include "planner/cluster_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file_system.h"
#include "base/temporary_folder.h"

namespace colossus::planner {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const std::string kConfigs = COLOSSUS_SOURCE_DIR "/configs";

const std::string kSmall =
    "[cluster]\ngpu = 'H100-SXM'\ngpus = 1024\n[gpu]\nmemory = '96 GB'\n"
    "[price]\nenergy = '0.07 $/kWh (assumed)'\n";

std::string error_of(const std::string& text,
                     const std::vector<std::string>& overrides = {}) {
  try {
    read_cluster(text, "x.toml", overrides);
  } catch (const UserError& error) {
    return error.what();
  }
  return "no error";
}

const Input* find(const LoadedCluster& loaded, const std::string& key) {
  for (const Input& input : loaded.inputs) {
    if (input.key == key) return &input;
  }
  return nullptr;
}

TEST(ClusterFile, NamesAGpuAndReplacesSingleFigures) {
  const Cluster cluster = read_cluster(kSmall, "x.toml", {}).cluster;
  EXPECT_EQ(cluster.name, "x");
  EXPECT_EQ(cluster.num_devices, 1024);
  EXPECT_EQ(cluster.num_nodes(), 128);
  EXPECT_EQ(cluster.device.memory_bytes, 96e9);
  EXPECT_EQ(cluster.device.memory_bandwidth, 3.35e12);
  EXPECT_EQ(cluster.node.nic_bandwidth, 50e9);
  EXPECT_EQ(cluster.network.name, "superpod-h100");
  EXPECT_EQ(cluster.prices.dollars_per_kilowatt_hour, 0.07);
  EXPECT_EQ(cluster.prices.dollars_per_device_hour, 0);
}

TEST(ClusterFile, EveryFigureSaysWhereItIsFrom) {
  const LoadedCluster loaded =
      read_cluster(kSmall, "x.toml", {"node.nic=800 Gb/s"});
  ASSERT_NE(find(loaded, "gpu.memory"), nullptr);
  EXPECT_EQ(find(loaded, "gpu.memory")->grade, Grade::kGiven);
  EXPECT_EQ(find(loaded, "gpu.memory")->where, "x.toml:5");
  EXPECT_EQ(find(loaded, "price.energy")->grade, Grade::kAssumed);
  EXPECT_EQ(find(loaded, "price.energy")->text, "0.07 $/kWh");
  EXPECT_EQ(find(loaded, "gpu.power")->grade, Grade::kPublished);
  EXPECT_THAT(find(loaded, "gpu.power")->where, HasSubstr("gpus.toml:"));
  EXPECT_EQ(find(loaded, "node.nic")->where, "--set");
  EXPECT_THAT(find(loaded, "network.tier.leaf.gpus")->where,
              HasSubstr("networks.toml:"));
}

TEST(ClusterFile, FlagsWin) {
  const Cluster cluster =
      read_cluster(kSmall, "x.toml",
                   {"cluster.gpus=8192", "gpu.memory=\"40 GB\"",
                    "cluster.gpu=A100-40GB"})
          .cluster;
  EXPECT_EQ(cluster.num_devices, 8192);
  EXPECT_EQ(cluster.device.name, "A100-40GB");
  EXPECT_EQ(cluster.device.memory_bytes, 40e9);
  EXPECT_EQ(cluster.network.name, "superpod-a100");
  EXPECT_THAT(error_of(kSmall, {"cluster.gpus"}), HasSubstr("as key=value"));
  EXPECT_THAT(error_of(kSmall, {"cluster.gpus=many"}),
              HasSubstr("--set: 'cluster.gpus' = \"many\" is no figure"));
}

TEST(ClusterFile, TiersOfItsOwnReplaceTheNetworks) {
  const LoadedCluster loaded = read_cluster(
      kSmall +
          "[network.tier.rack]\ngpus = 64\nlatency = '2 us'\n"
          "[network.tier.all]\noversubscription = 4\nefficiency = '60%'\n",
      "x.toml", {});
  const std::vector<NetworkTier> tiers = loaded.cluster.tiers();
  ASSERT_EQ(tiers.size(), 3U);
  EXPECT_EQ(tiers[1].name, "rack");
  EXPECT_EQ(tiers[1].latency, 2e-6);
  EXPECT_EQ(tiers[2].num_devices, 1024);
  EXPECT_DOUBLE_EQ(tiers[2].reachable_bandwidth(), 50e9 / 4 * 0.6);
  EXPECT_EQ(find(loaded, "network.tier.leaf.gpus"), nullptr);
  EXPECT_NE(find(loaded, "network.rails"), nullptr);
}

TEST(ClusterFile, NamesWhatIsWrongWithItsPlace) {
  EXPECT_THAT(error_of(""), HasSubstr("x.toml: 'cluster.gpu' is missing"));
  EXPECT_THAT(error_of("[cluster]\ngpu = 'H100-SXM'"),
              HasSubstr("'cluster.gpus' is missing"));
  EXPECT_THAT(error_of(kSmall + "[gpu2]\na = 1"),
              HasSubstr("x.toml:9: unknown key 'gpu2.a'; did you mean 'gpu'?"));
  EXPECT_THAT(error_of(kSmall + "[node]\nnics = '1 Gb/s'"),
              HasSubstr("unknown key 'node.nics'; did you mean 'node.nic'?"));
  EXPECT_THAT(error_of(kSmall + "[node]\nnic = 400"),
              HasSubstr("x.toml:9: 'node.nic' = \"400\" has no unit; it must "
                        "be a bandwidth such as \"400 Gb/s\""));
  EXPECT_THAT(error_of("[cluster]\ngpu = 'H100'\ngpus = 8\n"),
              HasSubstr("x.toml:2: 'cluster.gpu': unknown GPU 'H100'"));
  EXPECT_THAT(error_of(kSmall, {"cluster.node=DGX"}),
              HasSubstr("--set: 'cluster.node': unknown node 'DGX'"));
  EXPECT_THAT(error_of(kSmall, {"cluster.network=wires"}),
              HasSubstr("unknown network 'wires'"));
  EXPECT_THAT(error_of("gpu = 'H100-SXM'"), HasSubstr("unknown key 'gpu'"));
}

TEST(ClusterFile, FaultsAndPowerHaveDefaultsWithTheirSource) {
  const LoadedCluster loaded = read_cluster(
      kSmall, "x.toml", {"failures.per_1000_node_days=12", "power.wait=0.5"});
  EXPECT_EQ(loaded.cluster.failures.per_thousand_node_days, 12);
  EXPECT_EQ(loaded.cluster.power.wait_share, 0.5);
  EXPECT_EQ(loaded.cluster.recovery.strategy, "restart");
  // Of the trace of StepFun: median 0.85 days, mean 5.5.
  EXPECT_NEAR(loaded.cluster.failures.repair_seconds *
                  loaded.cluster.failures.repair_tail / 86400,
              5.5, 0.03);
  EXPECT_EQ(find(loaded, "failures.per_1000_node_days")->where, "--set");
  EXPECT_EQ(find(loaded, "recovery.restart_time")->grade, Grade::kPublished);
  EXPECT_EQ(find(loaded, "recovery.strategy")->grade, Grade::kAssumed);
  EXPECT_THAT(find(loaded, "recovery.strategy")->where,
              HasSubstr("runs.toml:"));
}

TEST(ClusterFile, RefusesFaultsAndPowerThatCannotBe) {
  EXPECT_THAT(error_of(kSmall, {"recovery.strategy=hope"}),
              HasSubstr("'recovery.strategy' = \"hope\" must be restart, "
                        "memory or heal"));
  EXPECT_THAT(error_of(kSmall, {"failures.repair_tail=0.5"}),
              HasSubstr("'failures.repair_tail' = 0.5 must be from 1"));
  // 200 / 1000 faults a day for 5.525 days.
  EXPECT_THAT(error_of(kSmall, {"failures.per_1000_node_days=200"}),
              HasSubstr("a mean repair of 5.53 days each node would have 1.1 "
                        "faults while it is repaired"));
  EXPECT_THAT(error_of(kSmall, {"failures.spread=0.5"}),
              HasSubstr("'failures.spread' = 0.5 must be at least 1"));
  EXPECT_THAT(error_of(kSmall, {"power.wait=5%"}),
              HasSubstr("'power.idle' = 0.1, 'wait' = 0.05 and 'compute' = 1 "
                        "must ascend"));
  EXPECT_THAT(error_of(kSmall, {"failures.slow_factor=0.9"}),
              HasSubstr("must be at least 1"));
}

TEST(ClusterFile, RefusesWhatNoClusterCanBe) {
  EXPECT_THAT(error_of(kSmall, {"cluster.gpus=1001"}),
              HasSubstr("'cluster.gpus' = 1001 must be a multiple of "
                        "'node.gpus' = 8"));
  EXPECT_THAT(error_of(kSmall, {"cluster.gpus=1e9"}), HasSubstr("from 1 to"));
  EXPECT_THAT(
      error_of(kSmall, {"network.tier.a.gpus=64", "network.tier.b.gpus=100"}),
      HasSubstr("'network.tier.b.gpus' = 100 must be a multiple of the "
                "tier's below, 64"));
  EXPECT_THAT(error_of(kSmall, {"network.tier.a.latency=1 us",
                                "network.tier.b.gpus=100"}),
              HasSubstr("'network.tier.a.gpus' is missing"));
  EXPECT_THAT(error_of(kSmall, {"network.tier.a.gpus=512"}),
              HasSubstr("last tier holds 512 GPUs"));
  EXPECT_THAT(error_of(kSmall, {"network.tier.a.oversubscription=0.5"}),
              HasSubstr("= 0.5 must be at least 1"));
}

TEST(ClusterFile, RefusesFiguresThatNoMachineHas) {
  EXPECT_THAT(error_of(kSmall + "[node]\nnic = '400 TB/s'"),
              HasSubstr("x.toml:9: 'node.nic' = \"400 TB/s\" is beyond 20 "
                        "TB/s, more than any machine has; look at its unit"));
  EXPECT_THAT(error_of(kSmall, {"gpu.memory=80 PB"}),
              HasSubstr("--set: 'gpu.memory' = \"80 PB\" is beyond 20 TB"));
  EXPECT_THAT(error_of(kSmall, {"gpu.memory_bandwidth=3.35 PB/s"}),
              HasSubstr("is beyond 1 PB/s"));
  EXPECT_THAT(error_of(kSmall, {"gpu.peak_bf16=989 EFLOP/s"}),
              HasSubstr("is beyond 2 EFLOP/s"));
  EXPECT_THAT(error_of(kSmall, {"gpu.power=700 kW"}),
              HasSubstr("is beyond 100 kW"));
}

TEST(ClusterFile, WhatNeverHappensIsZero) {
  const Cluster cluster =
      read_cluster(
          kSmall, "x.toml",
          {"failures.burstiness=0", "failures.silent=0", "failures.slow=0",
           "recovery.planned_stops_per_day=0", "recovery.copies_lost=0%"})
          .cluster;
  EXPECT_EQ(cluster.failures.burstiness, 0);
  EXPECT_EQ(cluster.failures.silent_per_thousand_node_days, 0);
  EXPECT_EQ(cluster.failures.slow_per_thousand_node_days, 0);
  EXPECT_EQ(cluster.recovery.planned_stops_per_day, 0);
  EXPECT_EQ(cluster.recovery.copies_lost, 0);
  EXPECT_THAT(error_of(kSmall, {"failures.slow=-1"}), HasSubstr("is below 0"));
  EXPECT_THAT(error_of(kSmall, {"failures.slow_factor=0"}),
              HasSubstr("is not above 0"));
}

TEST(ClusterFile, RefusesBurstsAndSparesBeyondTheFormulas) {
  for (const char* value : {"0.009", "11"}) {
    EXPECT_THAT(error_of(kSmall, {std::string("failures.burstiness=") + value}),
                HasSubstr("must be 0 (a steady rate) or from 0.01 to 10"));
  }
  EXPECT_EQ(error_of(kSmall, {"failures.burstiness=0.01"}), "no error");
  EXPECT_THAT(error_of(kSmall, {"recovery.spares_suffice=100%"}),
              HasSubstr("'recovery.spares_suffice' = 1 must be below 1"));
}

TEST(ClusterFile, DeliveriesAreInOrderAndGrow) {
  const std::string text = kSmall +
                           "[delivery]\n2024-12-02 = 200000\n"
                           "2024-09-01 = '100000 (published)'\n";
  const Cluster cluster = read_cluster(text, "x.toml", {}).cluster;
  EXPECT_THAT(cluster.deliveries,
              ElementsAre(Delivery{parse_day("2024-09-01", ""), 100000},
                          Delivery{parse_day("2024-12-02", ""), 200000}));
  EXPECT_EQ(cluster.deliveries[1].day - cluster.deliveries[0].day, 92);
  EXPECT_THAT(error_of(text, {"delivery.2025-01-01=100"}),
              HasSubstr("falls from 200000 to 100 GPUs on 2025-01-01"));
  EXPECT_THAT(error_of(text, {"delivery.soon=100"}),
              HasSubstr("'soon' is no day"));
  EXPECT_THAT(error_of(kSmall + "[delivery]\n2024-09-01 = 200000000\n", {}),
              HasSubstr("'delivery.2024-09-01' = 200000000 must be from 1 to "
                        "100000000"));
}

TEST(ClusterFile, DeliveriesLieWithinTheNetwork) {
  const std::string text = kSmall +
                           "[network.tier.leaf]\ngpus = 1024\n"
                           "[delivery]\n2024-09-01 = 2048\n";
  EXPECT_THAT(error_of(text, {}),
              HasSubstr("'delivery.2024-09-01' = 2048, and the network's last "
                        "tier holds 1024 GPUs"));
}

TEST(Days, ReadAndWrite) {
  EXPECT_EQ(parse_day("1970-01-01", ""), 0);
  EXPECT_EQ(parse_day("2024-03-01", "") - parse_day("2024-02-28", ""), 2);
  for (int64_t day = -1000; day < 60'000; day += 17) {
    EXPECT_EQ(parse_day(day_text(day), ""), day);
  }
  for (const char* bad : {"", "2024", "2024-02-30", "2024-13-01", "2024-1-01",
                          "2024-01-01x", "2024/01/01", "-024-01-01"}) {
    EXPECT_THROW(parse_day(bad, "here"), UserError) << bad;
  }
}

TEST(ClusterFile, MayNameTheBenchOfAProcessor) {
  const TemporaryFolder folder;
  write_file_atomically(
      real_file_system(), folder / "bench.json",
      R"({"peak": [{"subject": "fused multiply-adds", "threads": 2,
                    "flops_per_second": 2e11},
                   {"subject": "memory copy", "threads": 2,
                    "bytes_per_second": 3e10}]})");
  const std::string path = folder / "mine.toml";
  write_file_atomically(real_file_system(), path,
                        "[cluster]\ngpu = 'bench.json'\ngpus = 4\n");
  EXPECT_THROW(load_cluster(path, {}), UserError) << "memory is not known";
  const Cluster cluster = load_cluster(path, {"gpu.memory=16 GB"}).cluster;
  EXPECT_EQ(cluster.name, "mine");
  EXPECT_EQ(cluster.device.peak_fp32, 2e11);
  ASSERT_EQ(cluster.tiers().size(), 1U);
  EXPECT_EQ(cluster.tiers()[0].num_devices, 4);
  EXPECT_EQ(cluster.tiers()[0].bandwidth, 1.25e9);
}

TEST(ClusterFile, ColossusIsAsItsMakersTell) {
  const LoadedCluster small =
      load_cluster(join_path(kConfigs, "colossus-100k.toml"), {});
  EXPECT_EQ(small.cluster.num_devices, 100'000);
  EXPECT_EQ(small.cluster.num_nodes(), 12'500);
  EXPECT_EQ(small.cluster.node.nic_bandwidth, 50e9);
  EXPECT_EQ(small.cluster.tiers().size(), 4U);
  const Cluster large =
      load_cluster(join_path(kConfigs, "colossus-200k.toml"), {}).cluster;
  EXPECT_EQ(large.num_nodes(), 25'000);
  ASSERT_EQ(large.deliveries.size(), 2U);
  EXPECT_EQ(large.deliveries[1].day - large.deliveries[0].day, 92);
  // Every figure but the choice of parts says whether somebody published it.
  for (const Input& input : small.inputs) {
    if (input.key.starts_with("cluster.") && input.key != "cluster.gpus") {
      continue;
    }
    EXPECT_TRUE(input.grade == Grade::kPublished ||
                input.grade == Grade::kAssumed)
        << input.key;
  }
}

}  // namespace
}  // namespace colossus::planner
