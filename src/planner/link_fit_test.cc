#include "planner/link_fit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "planner/cluster_file.h"
#include "planner/collectives.h"
#include "planner/nccl_testing.h"

namespace colossus::planner {
namespace {

using testing::HasSubstr;

constexpr const char* kH100 = "NVIDIA H100 80GB HBM3";

// What all_reduce_perf would print if `link` were all there is.
std::string all_reduce_on(const Link& link, int hosts, int ranks_per_host) {
  const double ranks = hosts * ranks_per_host;
  std::string text = "# Collective test starting: all_reduce_perf\n" +
                     nccl_ranks(hosts, ranks_per_host, kH100) + nccl_header();
  for (double bytes = 1024; bytes <= 8.6e9; bytes *= 4) {
    text += nccl_row(bytes, all_reduce_seconds(bytes, ranks, link),
                     2 * (ranks - 1) / ranks, "sum");
  }
  return text + nccl_footer();
}

// The costs' own formula gives back the figures that went into it.
TEST(LinkFit, FindsNvlinkOfANode) {
  const auto tests =
      read_nccl_tests(all_reduce_on({360e9, 4e-6}, 1, 8), "one.txt");
  const auto fits = fit_links(tests, make_cluster("H100-SXM", 8));
  ASSERT_EQ(fits.size(), 1U);
  EXPECT_EQ(fits[0].tier, "NVLink");
  EXPECT_NEAR(fits[0].efficiency, 360.0 / 450, 0.8 * 0.01);
  EXPECT_NEAR(fits[0].latency_seconds, 4e-6, 0.05e-6);
  EXPECT_EQ(fits[0].remark, "");
}

// Four nodes: a ring enters by eight NICs of 50 GB/s, of which it reaches 80%.
TEST(LinkFit, FindsTheNetworksTierBehindEightNics) {
  const auto tests =
      read_nccl_tests(all_reduce_on({8 * 40e9, 15e-6}, 4, 8), "four.txt");
  const auto fits = fit_links(tests, make_cluster("H100-SXM", 1024));
  ASSERT_EQ(fits.size(), 1U);
  EXPECT_EQ(fits[0].tier, "leaf");
  EXPECT_NEAR(fits[0].efficiency, 0.8, 0.01);
  EXPECT_NEAR(fits[0].latency_seconds, 15e-6, 0.2e-6);
  EXPECT_EQ(fits[0].tests[0].bytes_per_second > 0, true);
}

TEST(LinkFit, UsesTheHigherTierForMoreRanks) {
  const auto tests =
      read_nccl_tests(all_reduce_on({8 * 30e9, 20e-6}, 64, 8), "many.txt");
  const auto fits = fit_links(tests, make_cluster("H100-SXM", 1024));
  ASSERT_EQ(fits.size(), 1U);
  EXPECT_EQ(fits[0].tier, "spine");
  EXPECT_NEAR(fits[0].efficiency, 0.6, 0.01);
}

// One rank a host: each its own NIC, and no NVLink.
TEST(LinkFit, OfOneRankAHostIsTheNetworks) {
  const auto tests =
      read_nccl_tests(all_reduce_on({45e9, 10e-6}, 4, 1), "single.txt");
  const auto fits = fit_links(tests, make_cluster("H100-SXM", 1024));
  ASSERT_EQ(fits.size(), 1U);
  EXPECT_EQ(fits[0].tier, "leaf");
  EXPECT_NEAR(fits[0].efficiency, 0.9, 0.01);
}

// An all-to-all of 16 ranks on two nodes sends 8 of 16 parts through the NIC.
TEST(LinkFit, CountsWhatAnAllToAllSendsBeyondTheNode) {
  std::string text = "# Collective test starting: alltoall_perf\n" +
                     nccl_ranks(2, 8, kH100) + nccl_header();
  for (const double bytes : {1e9, 2e9}) {
    text += nccl_row(bytes, bytes * 8 / 16 / 25e9, 15.0 / 16, "none");
  }
  const auto tests = read_nccl_tests(text + nccl_footer(), "a2a.txt");
  const auto fits = fit_links(tests, make_cluster("H100-SXM", 1024));
  ASSERT_EQ(fits.size(), 1U);
  EXPECT_NEAR(fits[0].efficiency, 0.5, 0.001);
  EXPECT_EQ(fits[0].latency_seconds, 0);
  EXPECT_THAT(fits[0].remark, HasSubstr("run from 8 bytes"));
}

TEST(LinkFit, SaysWhereItWasBoundByNvlinkOrReducedBySwitches) {
  const auto bound =
      read_nccl_tests(all_reduce_on({8 * 49e9, 15e-6}, 4, 8), "four.txt");
  EXPECT_THAT(fit_links(bound, make_cluster("H100-SXM", 1024))[0].remark,
              HasSubstr("as fast as NVLink"));
  const auto sharp =
      read_nccl_tests(all_reduce_on({480e9, 4e-6}, 1, 8), "one.txt");
  const auto fit = fit_links(sharp, make_cluster("H100-SXM", 8))[0];
  EXPECT_NEAR(fit.efficiency, 480.0 / 450, 0.01);
  EXPECT_THAT(fit.remark, HasSubstr("SHARP"));
}

TEST(LinkFit, RefusesATestOfOtherMachines) {
  const auto tests =
      read_nccl_tests(all_reduce_on({360e9, 4e-6}, 2, 8), "two.txt");
  EXPECT_THROW(
      {
        try {
          fit_links(tests, make_cluster("H100-SXM", 8));
        } catch (const UserError& error) {
          EXPECT_THAT(error.what(),
                      HasSubstr("two.txt:21: 16 ranks, and the cluster has 8"));
          throw;
        }
      },
      UserError);
  EXPECT_THROW(fit_links(tests, make_cluster("A100-80GB", 64)), UserError);
}

}  // namespace
}  // namespace colossus::planner
