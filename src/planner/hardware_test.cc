#include "planner/hardware.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "planner/bench_device.h"
#include "planner/cluster_file.h"

namespace colossus::planner {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(Devices, AllThatTheIssueNamesAreKnownAndMakeAValidCluster) {
  const std::vector<std::string> names = device_names();
  for (const char* name :
       {"A100-40GB", "A100-80GB", "H100-SXM", "H100-PCIe", "H100-96GB", "H800",
        "H200", "B200", "B300", "GB200", "GB300"}) {
    EXPECT_THAT(names, Contains(name));
  }
  for (const std::string& name : names) {
    SCOPED_TRACE(name);
    const Cluster cluster = make_cluster(name, 288);
    const Device& device = cluster.device;
    EXPECT_EQ(device.peak_bf16, device.peak_fp16);
    EXPECT_LT(device.peak_fp32, device.peak_tf32);
    EXPECT_NEAR(device.peak_bf16 / device.peak_tf32, 2, 0.001);
    EXPECT_GT(device.num_sms, 100);
    EXPECT_GT(device.power_watts, 300);
    EXPECT_GT(device.nvlink_bandwidth, cluster.node.nic_bandwidth);
    EXPECT_EQ(cluster.tiers().front().name, "NVLink");
    EXPECT_GE(cluster.tiers().back().num_devices, 288);
  }
}

TEST(Devices, HaveTheFiguresOfTheirDatasheets) {
  const Device h100 = device_named("H100-SXM", "here");
  EXPECT_EQ(h100.peak(Precision::kBf16), 989.4e12);
  EXPECT_EQ(h100.peak(Precision::kFp8), 1978.9e12);
  EXPECT_EQ(h100.peak(Precision::kFp4), 0);
  EXPECT_EQ(h100.memory_bandwidth, 3.35e12);
  EXPECT_EQ(h100.nvlink_domain, 8);
  EXPECT_EQ(device_named("GB300", "here").nvlink_domain, 72);
  EXPECT_EQ(device_named("A100-40GB", "here").peak(Precision::kFp8), 0);
}

TEST(Devices, AnUnknownOneIsAnsweredWithTheNearestAndAll) {
  try {
    device_named("H100-SMX", "x.toml:3");
    FAIL();
  } catch (const UserError& error) {
    EXPECT_THAT(error.what(), HasSubstr("x.toml:3: unknown GPU 'H100-SMX'; did "
                                        "you mean 'H100-SXM'?; known: A100"));
  }
}

TEST(Devices, EveryFigureHasAGradeAndALine) {
  std::vector<Input> inputs;
  device_named("H100-96GB", "here", &inputs);
  bool published = false, assumed = false;
  for (const Input& input : inputs) {
    EXPECT_THAT(input.where, HasSubstr("gpus.toml:"));
    EXPECT_THAT(input.text, testing::Not(HasSubstr("(")));
    published |= input.grade == Grade::kPublished;
    assumed |= input.grade == Grade::kAssumed;
  }
  EXPECT_TRUE(published);
  EXPECT_TRUE(assumed);
}

TEST(Precisions, HaveNamesAndSizes) {
  EXPECT_EQ(precision_name(Precision::kFp32), "fp32");
  EXPECT_EQ(precision_name(Precision::kFp4), "fp4");
  EXPECT_EQ(bytes_of(Precision::kTf32), 4);
  EXPECT_EQ(bytes_of(Precision::kBf16), 2);
  EXPECT_EQ(bytes_of(Precision::kFp4), 0.5);
}

TEST(Tiers, EndWithTheFirstThatHoldsTheCluster) {
  EXPECT_EQ(make_cluster("H100-SXM", 8).tiers().size(), 1U);
  EXPECT_EQ(make_cluster("H100-SXM", 256).tiers().size(), 2U);
  const std::vector<NetworkTier> tiers = make_cluster("H100-SXM", 264).tiers();
  ASSERT_EQ(tiers.size(), 3U);
  EXPECT_EQ(tiers[0].bandwidth, 450e9);
  EXPECT_EQ(tiers[1].bandwidth, 50e9);
  EXPECT_EQ(tiers[1].num_devices, 256);
  EXPECT_EQ(tiers[2].num_devices, 264);
}

TEST(Tiers, AGroupLiesWithinTheSmallestThatSpansIt) {
  const std::vector<NetworkTier> tiers = make_cluster("H100-SXM", 1024).tiers();
  EXPECT_EQ(tier_that_spans(tiers, 1).name, "NVLink");
  EXPECT_EQ(tier_that_spans(tiers, 8).name, "NVLink");
  EXPECT_EQ(tier_that_spans(tiers, 9).name, "leaf");
  EXPECT_EQ(tier_that_spans(tiers, 257).name, "spine");
}

TEST(Tiers, OversubscriptionAndEfficiencyLeaveLess) {
  NetworkTier tier;
  tier.bandwidth = 50e9;
  tier.oversubscription = 2;
  tier.efficiency = 0.8;
  EXPECT_EQ(tier.reachable_bandwidth(), 20e9);
}

const std::string kBench = R"({
 "machine": {"processor": "Zen 3", "kernels": "AVX2, 2 threads"},
 "peak": [
  {"subject": "fused multiply-adds", "threads": 1.0, "flops_per_second": 98e9},
  {"subject": "memory read", "threads": 1.0, "bytes_per_second": 17e9},
  {"subject": "memory copy", "threads": 1.0, "bytes_per_second": 30e9},
  {"subject": "fused multiply-adds", "threads": 2.0, "flops_per_second": 198e9},
  {"subject": "memory copy", "threads": 2.0, "bytes_per_second": 34e9}]})";

std::string bench_error(const std::string& from, const std::string& to) {
  std::string text = kBench;
  text.replace(text.find(from), from.size(), to);
  try {
    read_bench_device(text, "b.json");
  } catch (const UserError& error) {
    return error.what();
  }
  return "no error";
}

TEST(BenchDevice, IsTheBestThatWasMeasured) {
  const Device device = read_bench_device(kBench, "b.json");
  EXPECT_EQ(device.name, "Zen 3");
  EXPECT_EQ(device.peak(Precision::kFp32), 198e9);
  EXPECT_EQ(device.memory_bandwidth, 34e9);
  EXPECT_EQ(device.num_sms, 2);
  EXPECT_EQ(device.nvlink_domain, 1);
}

TEST(BenchDevice, NamesWhatIsMissingOrWrong) {
  EXPECT_THAT(bench_error("\"peak\"", "\"speak\""),
              HasSubstr("no table 'peak'"));
  EXPECT_THAT(bench_error("98e9", "-1"), HasSubstr("= -1 must be above 0"));
  EXPECT_THAT(bench_error("198e9", "\"fast\""), HasSubstr("is no number"));
  EXPECT_THAT(bench_error("\"threads\": 1.0, \"flops", "\"flops"),
              HasSubstr("'threads' of 'fused multiply-adds' is no number"));
  EXPECT_THAT(bench_error("\"threads\": 2.0, \"flops",
                          "\"threads\": 1e9, "
                          "\"flops"),
              HasSubstr("threads"));
  std::string no_copy = kBench;
  for (size_t at; (at = no_copy.find("memory copy")) != std::string::npos;) {
    no_copy.replace(at, 11, "memory");
  }
  EXPECT_THROW(read_bench_device(no_copy, "b.json"), UserError);
  EXPECT_THROW(read_bench_device("[1]", "b.json"), UserError);
  EXPECT_THROW(read_bench_device("", "b.json"), UserError);
}

}  // namespace
}  // namespace colossus::planner
