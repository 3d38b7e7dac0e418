#include "planner/run_workload.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <sstream>

#include "planner/csv_table.h"
#include "planner/memory.h"
#include "planner/step_cost.h"

namespace colossus::planner {
namespace {

using testing::HasSubstr;
using testing::Not;

// Seconds and bytes of published runs as a second program computes them under
// the same calibration: testdata/reference_costs.py, which shares no code with
// this folder, and writes the file.
struct Reference {
  double step_seconds = 0;
  std::optional<double> memory_bytes;
};

std::map<std::string, Reference> reference_costs() {
  const std::string path =
      COLOSSUS_SOURCE_DIR "/src/planner/testdata/reference_costs.csv";
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  std::map<std::string, Reference> costs;
  for (const CsvRow& row : read_csv(text.str(), path).rows) {
    Reference& cost = costs[row.cells[0]];
    cost.step_seconds = std::stod(row.cells[1]);
    if (!row.cells[2].empty()) cost.memory_bytes = std::stod(row.cells[2]);
  }
  return costs;
}

double memory_of(const RunWorkload& run) {
  const MemoryUse use = memory_use(run.workload, Calibration());
  return run.memory_has_contexts ? use.on_device() : use.reserved();
}

TEST(RunWorkloads, CostWhatTheReferenceSays) {
  const auto reference = reference_costs();
  int timed = 0, with_memory = 0;
  for (const PublishedRun& row : shipped_runs()) {
    const auto expected = reference.find(row.id);
    if (expected == reference.end()) continue;
    const RunWorkload run = workload_of(row);
    ASSERT_FALSE(run.why_not) << row.id << *run.why_not;
    const double seconds = step_cost(run.workload, Calibration()).seconds;
    EXPECT_NEAR(seconds / expected->second.step_seconds, 1, 1e-6) << row.id;
    ++timed;
    if (!expected->second.memory_bytes) continue;
    EXPECT_NEAR(memory_of(run) / *expected->second.memory_bytes, 1, 1e-6)
        << row.id;
    ++with_memory;
  }
  EXPECT_EQ(timed, 605);
  EXPECT_EQ(with_memory, 103);
}

// 605: all of grade A and A- that are timed, but for the impossible one.
TEST(RunWorkloads, AreThereForEveryRowThatCounts) {
  for (const PublishedRun& row : shipped_runs()) {
    if (!row.is_timed() || !row.is_first_hand()) continue;
    const RunWorkload run = workload_of(row);
    EXPECT_EQ(run.why_not.has_value(), !why_impossible(row).empty()) << row.id;
  }
}

PublishedRun gpt_row() {
  PublishedRun run;
  run.id = "mine";
  run.gpu = "A100 80GB";
  run.kind = "dense";
  run.num_gpus = 64;
  run.layers = 24;
  run.hidden = 2048;
  run.heads = 16;
  run.seq_len = 2048;
  run.global_batch_sequences = 512;
  run.micro_batch = 4;
  run.tp = 4;
  run.pp = 2;
  return run;
}

TEST(RunWorkloads, NameWhatTheyFill) {
  PublishedRun row = gpt_row();
  const RunWorkload run = workload_of(row);
  ASSERT_FALSE(run.why_not);
  EXPECT_THAT(run.filled, testing::IsSupersetOf({"vocab", "ffn_hidden",
                                                 "framework", "attention"}));
  EXPECT_THAT(run.filled, Not(testing::Contains("heads")));
  EXPECT_EQ(run.workload.layout.data, 8);
  EXPECT_EQ(run.model->dense_ffn_dim, 8192);
  EXPECT_EQ(run.workload.software.attention, AttentionKernel::kFlash2);
}

TEST(RunWorkloads, TakeTheNetworkFromItsWords) {
  PublishedRun row = gpt_row();
  EXPECT_EQ(workload_of(row).machine->tiers[0].bandwidth, 25e9);
  row.internode_network = "RDMA 400 Gb/s per GPU (CX-7)";
  EXPECT_EQ(workload_of(row).machine->tiers[0].bandwidth, 50e9);
  row.internode_network = "800 Gb/s per node";
  EXPECT_EQ(workload_of(row).machine->tiers[0].bandwidth, 12.5e9);
  row.internode_network = "Omni-Path, 4 links per node";
  EXPECT_EQ(workload_of(row).machine->tiers[0].bandwidth, 6.25e9);
  EXPECT_TRUE(workload_of(row).machine->is_omni_path);
}

TEST(RunWorkloads, SayWhyTheyCannotBe) {
  PublishedRun row = gpt_row();
  row.gpu = "MI300X";
  EXPECT_THAT(*workload_of(row).why_not, HasSubstr("'MI300X' is not known"));
  row = gpt_row();
  row.layers.reset();
  EXPECT_THAT(*workload_of(row).why_not, HasSubstr("neither"));
}

TEST(RunWorkloads, AreNotDeclinedForABatchThatDoesNotDivide) {
  PublishedRun row = gpt_row();
  row.global_batch_sequences = 8;  // 8 replicas, micro-batches of 4
  EXPECT_EQ(workload_of(row).workload.num_micro_batches(), 1);
}

TEST(SoftwareDefaults, FollowFrameworkAndVersion) {
  SoftwareFacts facts;
  facts.framework = "torchtitan";
  facts.version = "2024-08";
  EXPECT_FALSE(software_defaults(facts).software.fuses_elementwise);
  facts.version = "2024-12";
  EXPECT_TRUE(software_defaults(facts).software.fuses_elementwise);
  facts.framework = "megatron-lm";
  facts.version = "2022-05";
  EXPECT_EQ(software_defaults(facts).software.attention,
            AttentionKernel::kUnfused);
  facts.version = "2024-03";
  EXPECT_EQ(software_defaults(facts).zero_stage, 1);
  facts.framework = "somebody's";
  EXPECT_EQ(software_defaults(facts).framework, "unknown");
}

TEST(SoftwareDefaults, GraphsFollowTheRecipes) {
  SoftwareFacts facts;
  facts.framework = "megatron-bridge";
  facts.version = "26.06";
  facts.precision = "mxfp8";
  facts.device = "GB200";
  facts.has_experts = true;
  EXPECT_EQ(software_defaults(facts).software.graph, GraphCapture::kWholeStep);
  facts.version = "26.04";
  EXPECT_EQ(software_defaults(facts).software.graph, GraphCapture::kPartial);
  facts.device = "H100-SXM";
  EXPECT_EQ(software_defaults(facts).software.graph, GraphCapture::kNone);
}

}  // namespace
}  // namespace colossus::planner
