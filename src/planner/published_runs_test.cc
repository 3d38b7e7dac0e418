#include "planner/published_runs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "base/error.h"
#include "planner/embedded_data.h"
#include "planner/hardware.h"

namespace colossus::planner {
namespace {

using testing::HasSubstr;

std::string error_of(const std::string& text) {
  try {
    read_published_runs(text, "x.csv");
  } catch (const UserError& error) {
    return error.what();
  }
  return "no error";
}

const std::map<std::string, PublishedRun>& shipped() {
  static const auto* runs = [] {
    auto* by_id = new std::map<std::string, PublishedRun>;
    for (const PublishedRun& run : shipped_runs()) by_id->emplace(run.id, run);
    return by_id;
  }();
  return *runs;
}

struct Group {
  int rows = 0, timed = 0;
};

TEST(ShippedRuns, AreAsManyAsTheirReadmeCounts) {
  std::map<std::string, Group> families;
  int timed = 0, graded = 0, with_memory = 0;
  for (const auto& [id, run] : shipped()) {
    const bool counts = run.is_timed() && run.is_first_hand();
    timed += run.is_timed();
    graded += counts;
    with_memory += run.mem_gib_per_gpu.has_value();
    ++families[run.family].rows;
    families[run.family].timed += counts;
  }
  EXPECT_EQ(shipped().size(), 659U);
  EXPECT_EQ(timed, 616);
  EXPECT_EQ(graded, 606);
  EXPECT_EQ(with_memory, 103);
  EXPECT_EQ(families["kort"].rows, 36);
  EXPECT_EQ(families["kort"].timed, 8);
  EXPECT_EQ(families["nemo"].rows, 198);
  EXPECT_EQ(families["nemo"].timed, 181);
  EXPECT_EQ(families["titan"].timed, 31);
  EXPECT_EQ(families["mpt"].timed, 216);
  EXPECT_EQ(families["vtrain"].timed, 51);
  EXPECT_EQ(families["bigscience"].rows, 120);
  EXPECT_EQ(families["bigscience"].timed, 119);
}

TEST(ShippedRuns, HaveTheLayersThatTheirReadmeDerives) {
  const std::map<int, int64_t> layers = {
      {1, 80},  {2, 80},  {3, 78},  {4, 77},  {5, 80},  {6, 81},
      {8, 77},  {9, 72},  {10, 78}, {11, 78}, {12, 78}, {16, 77},
      {17, 77}, {18, 77}, {19, 72}, {20, 72}};
  for (const auto& [number, count] : layers) {
    const PublishedRun& run =
        shipped().at(fmt::format("bloomtest-{:03}", number));
    EXPECT_EQ(run.layers, count) << run.id;
    ASSERT_EQ(run.derived.size(), 1U);
    EXPECT_THAT(run.derived[0], HasSubstr("layers = "));
  }
  for (const auto& [id, run] : shipped()) {
    const bool derived = !run.derived.empty() && id.starts_with("bloomtest");
    EXPECT_EQ(derived, id.starts_with("bloomtest") &&
                           layers.contains(std::stoi(id.substr(10))))
        << id;
  }
}

TEST(ShippedRuns, TorchtitansPipelinesHaveABatchOfAReplica) {
  const PublishedRun& pipelined = shipped().at("titan-015");
  EXPECT_EQ(pipelined.local_batch, 8);
  EXPECT_FALSE(pipelined.micro_batch);
  EXPECT_EQ(pipelined.global_batch_sequences, 64);
  EXPECT_TRUE(pipelined.is_timed());
  EXPECT_EQ(shipped().at("titan-013").global_batch_sequences, 256);
  EXPECT_FALSE(shipped().at("titan-013").micro_batch);
  const PublishedRun& context = shipped().at("titan-006");
  EXPECT_EQ(context.micro_batch, 1);
  EXPECT_FALSE(context.local_batch);
  EXPECT_EQ(context.global_batch_sequences, 2);
  EXPECT_THAT(context.derived.at(0), HasSubstr("1 of a replica x 2 replicas"));
}

TEST(ShippedRuns, StepTimeComesFromTheRateWhereItIsNotPrinted) {
  const PublishedRun& run = shipped().at("mpt-001");
  ASSERT_TRUE(run.step_seconds());
  EXPECT_DOUBLE_EQ(*run.step_seconds(), 4096.0 * 2048 / (1007.0 * 512));
  EXPECT_EQ(shipped().at("kort-001").step_seconds(), 1.42);
  EXPECT_FALSE(shipped().at("sc21t1-001").is_timed());
  EXPECT_TRUE(shipped().at("llama1-001").is_timed());
  EXPECT_FALSE(shipped().at("llama1-001").step_seconds()) << "no batch";
}

TEST(ShippedRuns, OnlyOneIsImpossible) {
  for (const auto& [id, run] : shipped()) {
    EXPECT_EQ(why_impossible(run).empty(), id != "mbridge-104");
  }
}

TEST(ShippedRuns, AllHaveAGpuThatThePlannerKnows) {
  std::map<std::string, int> rows;
  for (const auto& [id, run] : shipped()) {
    const auto device = device_name_of(run.gpu);
    ASSERT_TRUE(device) << run.gpu;
    EXPECT_NO_THROW(device_named(*device, id));
    ++rows[*device];
  }
  EXPECT_EQ(rows["A100-40GB"], 79);
  EXPECT_EQ(rows["A100-80GB"], 152 + 71 + 56 + 3);
  EXPECT_EQ(rows["H100-SXM"], 99 + 42);
  EXPECT_EQ(rows["H100-96GB"], 18 + 3);
  EXPECT_EQ(rows["H200"], 2);
  EXPECT_EQ(rows["B200"], 14 + 8);
  EXPECT_EQ(rows["B300"], 13);
  EXPECT_EQ(rows["GB200"], 51);
  EXPECT_EQ(rows["GB300"], 48);
}

TEST(GpuNames, AreUnderstoodInOtherWordsToo) {
  EXPECT_EQ(device_name_of("NVIDIA H100 PCIe"), "H100-PCIe");
  EXPECT_EQ(device_name_of("H800-SXM 80GB"), "H800");
  EXPECT_EQ(device_name_of("A100 40 GB"), "A100-40GB");
  EXPECT_FALSE(device_name_of("MI300X"));
  EXPECT_FALSE(device_name_of(""));
}

TEST(ReadPublishedRuns, RefusesAnIdOfSeveralLines) {
  EXPECT_THAT(error_of("id,gpu\n\"a\nb\",H100\n"),
              HasSubstr("holds a control character"));
  EXPECT_THAT(error_of("id,notes\na,\"two\nlines\"\n"), "no error");
}

TEST(PrecisionClasses, FollowTheWordsAndTheGpu) {
  PublishedRun run;
  run.gpu = "H100-SXM 80GB";
  EXPECT_EQ(arithmetic_of(run), Arithmetic::k16Bit);
  for (const char* eight : {"fp8", "mxfp8", "bf16+fp8 linear", "amp_fp8",
                            "fp8-cs", "FP8 (row precision not stated)"}) {
    run.precision = eight;
    EXPECT_EQ(arithmetic_of(run), Arithmetic::k8Bit) << eight;
  }
  run.precision = "nvfp4";
  EXPECT_EQ(arithmetic_of(run), Arithmetic::k4Bit);
  run.precision = "amp_bf16";
  EXPECT_EQ(arithmetic_of(run), Arithmetic::k16Bit);
  run.gpu = "A100 40GB";
  run.precision = "fp8";
  EXPECT_EQ(arithmetic_of(run), Arithmetic::k16Bit);
}

TEST(OtherTables, AreReadByTheSameReader) {
  const std::vector<PublishedRun> full = shipped_out_of_memory_runs();
  ASSERT_EQ(full.size(), 6U);
  EXPECT_EQ(full[0].zero_or_fsdp, "ZeRO-1");
  EXPECT_EQ(full[0].grad_accum_dtype, "fp16");
  EXPECT_EQ(full[0].id, "row 2");
  const std::vector<PublishedRun> small = shipped_single_node_runs();
  ASSERT_EQ(small.size(), 709U);
  EXPECT_EQ(small[0].hidden, 1024);
  EXPECT_EQ(small[0].tp, 2);
  EXPECT_NEAR(*small[0].step_seconds(), 0.219732754, 1e-15);
}

TEST(ReadRuns, TakesColumnsInAnyOrderAndLeavesOthersEmpty) {
  const std::vector<PublishedRun> runs = read_published_runs(
      "seq_len,id,sequence_parallel,experts,notes\n"
      "4096,mine,yes,8,\"a, b\"\n,other,,,\n",
      "x.csv");
  ASSERT_EQ(runs.size(), 2U);
  EXPECT_EQ(runs[0].seq_len, 4096);
  EXPECT_EQ(runs[0].sequence_parallel, true);
  EXPECT_EQ(runs[0].notes, "a, b");
  EXPECT_TRUE(runs[0].is_moe());
  EXPECT_FALSE(runs[1].is_moe());
  EXPECT_FALSE(runs[1].seq_len);
  EXPECT_EQ(runs[1].line, 3);
}

TEST(ReadRuns, NamesFileLineAndColumn) {
  EXPECT_EQ(error_of("id,step_time_ms\na,1\n"),
            "x.csv:1: unknown column 'step_time_ms'; did you mean "
            "'step_time_s'?");
  EXPECT_EQ(error_of("id,step_time_s\na,1\nb,12 ms\n"),
            "x.csv:3: column 'step_time_s': '12 ms' is no number (in seconds, "
            "without a unit)");
  EXPECT_THAT(error_of("id,layers\na,12.5\n"),
              HasSubstr("column 'layers': '12.5' is no whole number"));
  EXPECT_THAT(error_of("id,layers\na,0\n"), HasSubstr("is not above 0"));
  EXPECT_THAT(error_of("id,layers\na,-2\n"), HasSubstr("is not above 0"));
  EXPECT_THAT(error_of("id,layers\na,1e3\n"), HasSubstr("is no whole number"));
  EXPECT_THAT(error_of("id,layers\na,99999999999999999999\n"),
              HasSubstr("is out of range"));
  EXPECT_THAT(error_of("id,layers\na,9999999999\n"), HasSubstr("is beyond"));
  EXPECT_THAT(error_of("id,mfu_pct\na,nan\n"), HasSubstr("is not above 0"));
  EXPECT_THAT(error_of("id,mfu_pct\na,inf\n"), HasSubstr("is beyond"));
  EXPECT_THAT(error_of("id,recompute\na,some\n"),
              HasSubstr("'some' is none of none, selective, full"));
  EXPECT_THAT(error_of("id,compiled\na,maybe\n"),
              HasSubstr("is not yes or no"));
  EXPECT_THAT(error_of("id\na\nb\na\n"),
              HasSubstr("x.csv:4: column 'id': 'a' stands twice"));
  EXPECT_THAT(error_of("tp,tp\n1,1\n"), HasSubstr("say the same"));
  EXPECT_THAT(error_of("num_gpus,GPUs\n1,1\n"), HasSubstr("say the same"));
}

TEST(ReadRuns, ACutFileIsReadOrRefusedAtEveryByte) {
  const std::string text(published_runs_csv().substr(0, 6000));
  for (size_t length = 0; length < text.size(); ++length) {
    try {
      for (const PublishedRun& run :
           read_published_runs(text.substr(0, length), "cut.csv")) {
        EXPECT_FALSE(run.id.empty());
      }
    } catch (const UserError& error) {
      EXPECT_THAT(error.what(), HasSubstr("cut.csv:"));
    }
  }
}

}  // namespace
}  // namespace colossus::planner
