#include "planner/calibration_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "planner/cluster_file.h"

namespace colossus::planner {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const char* const kFile =
    "[calibration]\n"
    "bf16_hopper = \"0.71 (measured)\"\n"
    "context_bytes = \"4.5e+09 (assumed)\"\n"
    "[nvlink]\n"
    "latency = \"3.1 us (measured)\"\n"
    "[network.tier.leaf]\n"
    "efficiency = \"91% (measured)\"\n"
    "latency = \"16 us (measured)\"\n"
    "[network.tier.attic]\n"
    "efficiency = \"0.8\"\n";

std::string error_of(const std::string& text) {
  try {
    read_calibration(text, "mine.toml");
  } catch (const UserError& error) {
    return error.what();
  }
  return "";
}

TEST(CalibrationFile, SetsWhatItNamesAndKeepsTheRest) {
  const LoadedCalibration loaded = read_calibration(kFile, "mine.toml");
  EXPECT_DOUBLE_EQ(loaded.calibration.bf16_hopper, 0.71);
  EXPECT_DOUBLE_EQ(loaded.calibration.context_bytes, 4.5e9);
  EXPECT_DOUBLE_EQ(loaded.calibration.bf16_ampere, Calibration().bf16_ampere);
  ASSERT_EQ(loaded.inputs.size(), 6U);
  EXPECT_EQ(loaded.inputs[0].grade, Grade::kMeasured);
  EXPECT_EQ(loaded.inputs[1].grade, Grade::kAssumed);
  EXPECT_EQ(loaded.inputs[0].where, "mine.toml:2");
}

TEST(CalibrationFile, SetsTheLinksOfAClusterThatHasThem) {
  const LoadedCalibration loaded = read_calibration(kFile, "mine.toml");
  Cluster cluster = make_cluster("H100-SXM", 1024);
  EXPECT_THAT(apply_links(loaded, cluster), ElementsAre("attic"));
  EXPECT_DOUBLE_EQ(cluster.network.tiers[0].efficiency, 0.91);
  EXPECT_DOUBLE_EQ(cluster.network.tiers[0].latency, 16e-6);
  EXPECT_DOUBLE_EQ(cluster.network.tiers[1].latency, 14e-6);
  EXPECT_DOUBLE_EQ(cluster.device.nvlink_latency, 3.1e-6);
}

TEST(CalibrationFile, NamesWhatIsWrongWithItsLine) {
  EXPECT_THAT(error_of("[calibration]\n\nbf16_hoper = \"0.7\"\n"),
              HasSubstr("mine.toml:3: unknown key 'calibration.bf16_hoper'; "
                        "did you mean 'calibration.bf16_hopper'?"));
  EXPECT_THAT(error_of("[nvlink]\nlatency = \"3 GB/s\"\n"),
              HasSubstr("mine.toml:2: 'nvlink.latency' = \"3 GB/s\" has the "
                        "unknown unit 'GB/s'"));
  EXPECT_THAT(error_of("[calibration]\nflash2 = \"-1\"\n"),
              HasSubstr("mine.toml:2: 'calibration.flash2' = \"-1\" is not "
                        "above 0"));
  EXPECT_THAT(error_of("[calibration]\nflash2 = \"40\"\n"),
              HasSubstr("mine.toml:2: 'calibration.flash2' = 40 is 83 times "
                        "ours"));
  EXPECT_THAT(error_of("[network.tier.leaf]\nefficiency = \"120%\"\n"),
              HasSubstr("mine.toml:2"));
}

}  // namespace
}  // namespace colossus::planner
