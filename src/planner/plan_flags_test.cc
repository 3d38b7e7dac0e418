#include "planner/plan_flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "base/error.h"
#include "base/temporary_folder.h"
#include "planner/plan_inputs.h"

namespace colossus::planner {
namespace {

using testing::HasSubstr;

PlanFlags usual() {
  PlanFlags flags;
  flags.model = COLOSSUS_SOURCE_DIR "/configs/grok-1.toml";
  flags.cluster = "H100-SXM:1024";
  flags.batch_tokens = "4M";
  flags.seq_len = 8192;
  return flags;
}

template <typename Change>
std::string refused(Change change) {
  PlanFlags flags = usual();
  change(flags);
  try {
    read_plan_request(flags);
  } catch (const UserError& error) {
    return error.what();
  }
  return "nothing was refused";
}

TEST(PlanFlags, AreARequest) {
  PlanFlags flags = usual();
  flags.tokens = "6T";
  flags.start = "2024-09-01";
  flags.precision = "fp8";
  flags.overrides = {"parallel.tensor=8", "cluster.gpus=2048",
                     "delivery.2024-09-01=2048"};
  const PlanRequest request = read_plan_request(flags);
  EXPECT_EQ(request.model.num_layers, 64);
  EXPECT_EQ(request.cluster.cluster.num_devices, 2048);
  EXPECT_EQ(request.global_batch_sequences, 512);
  EXPECT_EQ(request.num_tokens, 6e12);
  EXPECT_EQ(request.start_day, parse_day("2024-09-01", "x"));
  EXPECT_EQ(request.arithmetic(), Arithmetic::k8Bit);
  EXPECT_EQ(request.rules.tensor.most, 8);
  EXPECT_EQ(request.notes.size(), 1U);  // 4M as 2^22
  flags.tokens = "6e12";
  EXPECT_EQ(read_plan_request(flags).num_tokens, 6e12);
}

TEST(PlanFlags, NameWhatIsWrong) {
  EXPECT_THAT(refused([](PlanFlags& f) { f.model = "none.toml"; }),
              HasSubstr("none.toml"));
  EXPECT_THAT(refused([](PlanFlags& f) { f.tokens = "6 parsecs"; }),
              HasSubstr("--tokens: 'the run' = \"6 parsecs\" has the unknown "
                        "unit 'parsecs'"));
  EXPECT_THAT(refused([](PlanFlags& f) { f.tokens = "-6T"; }),
              HasSubstr("not above 0"));
  EXPECT_THAT(refused([](PlanFlags& f) { f.tokens = "1e30"; }),
              HasSubstr("beyond"));
  EXPECT_THAT(refused([](PlanFlags& f) { f.start = "September"; }),
              HasSubstr("--start: 'September' is no day"));
  EXPECT_THAT(refused([](PlanFlags& f) {
                f.start = "2024-09-01";
                f.overrides = {"delivery.2024-09-01=1024"};
              }),
              HasSubstr("--start 2024-09-01: it is the first day of a run, "
                        "whose --tokens are missing"));
  EXPECT_THAT(refused([](PlanFlags& f) {
                f.start = "2024-09-01";
                f.tokens = "6T";
              }),
              HasSubstr("--start 2024-09-01: the cluster has no deliveries"));
  EXPECT_THAT(refused([](PlanFlags& f) { f.precision = "fp9"; }),
              HasSubstr("must be bf16, fp16, fp8 or fp4; did you mean"));
  EXPECT_THAT(refused([](PlanFlags& f) { f.framework = "megatronlm"; }),
              HasSubstr("did you mean 'megatron-lm'?"));
  EXPECT_THAT(refused([](PlanFlags& f) { f.overrides = {"paralel.tensor=8"}; }),
              HasSubstr("unknown section 'paralel'; did you mean 'parallel'?"));
  EXPECT_THAT(refused([](PlanFlags& f) { f.overrides = {"node.nik=1 Gb/s"}; }),
              HasSubstr("did you mean 'node.nic'?"));
  EXPECT_THAT(refused([](PlanFlags& f) { f.overrides = {"node.nic=200"}; }),
              HasSubstr("has no unit"));
  EXPECT_THAT(refused([](PlanFlags& f) { f.overrides = {"gpu.memory=0 GB"}; }),
              HasSubstr("not above 0"));
  EXPECT_THAT(refused([](PlanFlags& f) { f.overrides = {"cluster.gpus=7"}; }),
              HasSubstr("multiple of 'node.gpus'"));
  EXPECT_THAT(refused([](PlanFlags& f) { f.overrides = {"=8"}; }),
              HasSubstr("unknown section ''"));
}

std::vector<Input> with_key(const std::vector<Input>& inputs,
                            const std::string& key) {
  std::vector<Input> found;
  for (const Input& input : inputs) {
    if (input.key == key) found.push_back(input);
  }
  return found;
}

// A figure stands once: as the calibration has it, or as it was before.
TEST(PlanFlags, KeepTheGradesOfACalibration) {
  const TemporaryFolder folder;
  PlanFlags flags = usual();
  const Cluster cluster = read_plan_request(flags).cluster.cluster;
  const std::string tier = "network.tier." + cluster.network.tiers[0].name;
  flags.calibration = folder.path() + "/mine.toml";
  std::ofstream(flags.calibration)
      << "[calibration]\njitter = \"0.01 (assumed)\"\n"
         "bf16_hopper = \"0.7 (measured)\"\n"
         "[nvlink]\nlatency = \"3 us (measured)\"\n"
         "["
      << tier
      << "]\nlatency = \"17 us (measured)\"\n"
         "[network.tier.none]\nlatency = \"18 us (measured)\"\n";
  const PlanRequest request = read_plan_request(flags);
  EXPECT_EQ(request.cluster.cluster.network.tiers[0].latency, 17e-6);
  const std::vector<Input> inputs = inputs_of(request);
  const auto expect_one = [&](const std::string& key, const char* text,
                              Grade grade, const std::string& where) {
    const std::vector<Input> found = with_key(inputs, key);
    ASSERT_EQ(found.size(), 1U) << key;
    EXPECT_EQ(found[0].text, text) << key;
    EXPECT_EQ(found[0].grade, grade) << key;
    EXPECT_EQ(found[0].where, where) << key;
  };
  const std::string& path = flags.calibration;
  expect_one("calibration.jitter", "0.01", Grade::kAssumed, path + ":2");
  expect_one("calibration.bf16_hopper", "0.7", Grade::kMeasured, path + ":3");
  expect_one("nvlink.latency", "3 us", Grade::kMeasured, path + ":5");
  expect_one(tier + ".latency", "17 us", Grade::kMeasured, path + ":7");
  EXPECT_TRUE(with_key(inputs, "gpu.nvlink_latency").empty());
  EXPECT_TRUE(with_key(inputs, "network.tier.none.latency").empty());
  // What the file leaves out is ours.
  const std::vector<Input> ours = with_key(inputs, "calibration.reserve");
  ASSERT_EQ(ours.size(), 1U);
  EXPECT_EQ(ours[0].where, "fitted to published runs");
}

// A file's fault carries its line.
TEST(PlanFlags, NameFileAndLine) {
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/cluster.toml";
  std::ofstream(path) << "[cluster]\ngpu = \"H100-SXM\"\ngpus = \"-8\"\n";
  EXPECT_THAT(refused([&](PlanFlags& f) { f.cluster = path; }),
              HasSubstr(path + ":3: 'cluster.gpus' = \"-8\" is not above 0"));
}

}  // namespace
}  // namespace colossus::planner
