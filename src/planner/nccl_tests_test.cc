#include "planner/nccl_tests.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "planner/nccl_testing.h"

namespace colossus::planner {
namespace {

using testing::HasSubstr;

// As nccl-tests 2.17 print it on a node of eight, but for the middle.
const char* const kAllReduce =
    "# nccl-tests version 2.17.6 nccl-headers=22807 nccl-library=22807\n"
    "# Collective test starting: all_reduce_perf\n"
    "# nThread 1 nGpus 8 minBytes 8 maxBytes 8589934592 step: 2(factor) warmup "
    "iters: 5 iters: 20 agg iters: 1 validation: 1 graph: 0\n"
    "#\n"
    "# Using devices\n"
    "#  Rank  0 Group  0 Pid  12812 on node-1 device  0 [0000:06:00] NVIDIA "
    "H100 80GB HBM3\n"
    "#  Rank  1 Group  0 Pid  12812 on node-1 device  1 [0000:09:00] NVIDIA "
    "H100 80GB HBM3\n"
    "node-1:12812:12812 [0] NCCL INFO Bootstrap: Using eth0\n"
    "#\n"
    "#                                                              "
    "out-of-place                       in-place          \n"
    "#       size         count      type   redop    root     time   algbw   "
    "busbw #wrong     time   algbw   busbw #wrong\n"
    "#        (B)    (elements)                               (us)  (GB/s)  "
    "(GB/s)            (us)  (GB/s)  (GB/s)       \n"
    "           8             2     float     sum      -1    28.20    0.00    "
    "0.00      0    27.90    0.00    0.00      0\n"
    "  1073741824     268435456     float     sum      -1   3000.0  357.91  "
    "357.91      0   2900.0  370.26  370.26    N/A\n"
    "# Out of bounds values : 0 OK\n"
    "# Avg bus bandwidth    : 182.04 \n"
    "#\n"
    "# Collective test concluded: all_reduce_perf\n";

std::string with(const std::string& from, const std::string& to) {
  std::string text = kAllReduce;
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

std::string error_of(const std::string& text,
                     const std::string& source = "out.txt") {
  try {
    read_nccl_tests(text, source);
  } catch (const UserError& error) {
    return error.what();
  }
  return "";
}

TEST(NcclTests, AreReadWithTheirRanksAndTheFasterTime) {
  const auto tests = read_nccl_tests(kAllReduce, "out.txt");
  ASSERT_EQ(tests.size(), 1U);
  EXPECT_EQ(tests[0].collective, Collective::kAllReduce);
  EXPECT_EQ(tests[0].num_ranks, 2);
  EXPECT_EQ(tests[0].num_hosts, 1);
  EXPECT_EQ(tests[0].device, "NVIDIA H100 80GB HBM3");
  ASSERT_EQ(tests[0].samples.size(), 2U);
  EXPECT_DOUBLE_EQ(tests[0].samples[0].seconds, 27.9e-6);
  EXPECT_DOUBLE_EQ(tests[0].samples[1].bytes, 1073741824);
  EXPECT_DOUBLE_EQ(tests[0].samples[1].seconds, 2900e-6);
}

TEST(NcclTests, MayBeSeveralInOneText) {
  const std::string gather = "# Collective test starting: all_gather_perf\n" +
                             nccl_ranks(2, 2, "NVIDIA H100 80GB HBM3") +
                             nccl_header() + nccl_row(1e6, 1e-4, 0.75, "none") +
                             nccl_footer();
  const auto tests = read_nccl_tests(kAllReduce + gather, "out.txt");
  ASSERT_EQ(tests.size(), 2U);
  EXPECT_EQ(tests[1].collective, Collective::kAllGather);
  EXPECT_EQ(tests[1].num_ranks, 4);
  EXPECT_EQ(tests[1].num_hosts, 2);
}

// Releases before 2.17 do not print the program's name.
TEST(NcclTests, OfOlderReleasesAreKnownByBandwidthOrFile) {
  const std::string ranks = nccl_ranks(1, 4, "NVIDIA A100-SXM4-80GB");
  const std::string reduce =
      ranks + nccl_header() + nccl_row(1e9, 1e-2, 1.5, "sum") + nccl_footer();
  EXPECT_EQ(read_nccl_tests(reduce, "out.txt")[0].collective,
            Collective::kAllReduce);
  const std::string scatter =
      ranks + nccl_header() + nccl_row(1e9, 1e-2, 0.75, "sum") + nccl_footer();
  EXPECT_EQ(read_nccl_tests(scatter, "out.txt")[0].collective,
            Collective::kReduceScatter);
  const std::string either =
      ranks + nccl_header() + nccl_row(1e9, 1e-2, 0.75, "none") + nccl_footer();
  EXPECT_THAT(error_of(either), HasSubstr("name the file after it"));
  EXPECT_EQ(read_nccl_tests(either, "runs/alltoall_perf.txt")[0].collective,
            Collective::kAllToAll);
  EXPECT_EQ(read_nccl_tests(either, "all_gather.log")[0].collective,
            Collective::kAllGather);
}

TEST(NcclTests, NameTheUnknownColumnAndUnitWithTheLine) {
  EXPECT_THAT(error_of(with("time   algbw", "cputime algbw")),
              HasSubstr("out.txt:11: unknown column 'cputime'"));
  EXPECT_THAT(error_of(with("(us)", "(ms)")),
              HasSubstr("out.txt:12: unknown unit '(ms)'; nccl-tests print "
                        "(us) here"));
  EXPECT_THAT(error_of(with("(GB/s)", "(Gb/s)")),
              HasSubstr("out.txt:12: unknown unit '(Gb/s)'"));
}

TEST(NcclTests, RefuseWhatContradictsItself) {
  EXPECT_THAT(error_of(with("   3000.0", "      3.0")),
              HasSubstr("out.txt:14: algbw 357.91 GB/s is not 1073741824 "
                        "bytes in 3.0 us"));
  EXPECT_THAT(error_of(with("    N/A", "     17")),
              HasSubstr("out.txt:14: #wrong is 17"));
  EXPECT_THAT(error_of(with("1073741824 ", "4          ")),
              HasSubstr("out.txt:14: algbw 357.91 GB/s is not 4 bytes"));
  EXPECT_THAT(error_of(with("sum      -1   3000.0", "sum   3000.0")),
              HasSubstr("out.txt:14: 12 cells in a table of 13"));
  EXPECT_THAT(error_of(with("28.20", "fast")),
              HasSubstr("out.txt:13: 'fast' in column 6 (time) is no figure"));
  EXPECT_THAT(error_of(with("28.20", "nan")), HasSubstr("is no figure"));
}

TEST(NcclTests, RefuseRanksThatWereNotOneJob) {
  EXPECT_THAT(error_of(with("Rank  1", "Rank  0")),
              HasSubstr("out.txt:7: rank 0 stands twice"));
  EXPECT_THAT(error_of(with("on node-1 device  1", "near node-1 device  1")),
              HasSubstr("out.txt:7: no line of a rank"));
  const std::string uneven = nccl_ranks(1, 3, "X") +
                             "#  Rank 3 Group 0 Pid 1 on other device 0 [1] X\n"
                             "# Collective test starting: all_reduce_perf\n";
  EXPECT_THAT(error_of("# Collective test starting: all_reduce_perf\n" +
                       uneven.substr(0, uneven.rfind("# Coll")) +
                       nccl_header() + nccl_row(1e6, 1e-4, 1.5, "sum")),
              HasSubstr("as many on each host"));
  EXPECT_THAT(error_of("# Collective test starting: broadcast_perf\n" +
                       nccl_ranks(1, 2, "X") + nccl_header() +
                       nccl_row(1e6, 1e-4, 1, "none")),
              HasSubstr("broadcast_perf' is none of all_reduce_perf, "));
  EXPECT_THAT(error_of("nothing here\n"), HasSubstr("no table of nccl-tests"));
}

}  // namespace
}  // namespace colossus::planner
