#include "planner/plan_json.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "planner/plan_testing.h"

namespace colossus::planner {
namespace {

using nlohmann::json;
using testing::HasSubstr;

Plan made(const std::string& cluster) {
  PlanFlags flags;
  flags.model = COLOSSUS_SOURCE_DIR "/configs/grok-1.toml";
  flags.cluster = cluster;
  flags.batch_tokens = "4Mi";
  flags.seq_len = 8192;
  flags.tokens = "1T";
  flags.overrides = {"parallel.tensor<=8", "price.gpu_hour=2 $/h"};
  ThreadPool pool(2);
  return make_plan(read_plan_request(flags), pool);
}

const Plan& plan() {
  static const Plan* const kPlan =
      new Plan(made(COLOSSUS_SOURCE_DIR "/configs/colossus-100k.toml"));
  return *kPlan;
}

std::string refused(const std::string& text) {
  try {
    read_plan_json(text, "p.json");
  } catch (const UserError& error) {
    return error.what();
  }
  return "nothing was refused";
}

template <typename Change>
std::string refused_after(Change change) {
  json root = json::parse(plan_json(plan()));
  change(root);
  return refused(root.dump());
}

TEST(PlanJson, ReadsBackTheSamePlan) {
  const std::string text = plan_json(plan());
  const Plan again = read_plan_json(text, "p.json");
  EXPECT_EQ(plan_json(again), text);
  EXPECT_EQ(again.layouts.size(), plan().layouts.size());
  EXPECT_EQ(again.layouts[0].layout, plan().layouts[0].layout);
  EXPECT_EQ(again.layouts[0].cost.terms, plan().layouts[0].cost.terms);
  EXPECT_EQ(again.request.model, plan().request.model);
  EXPECT_EQ(again.request.rules.tensor.most, 8);
  EXPECT_EQ(again.request.calibration.jitter,
            plan().request.calibration.jitter);
  EXPECT_EQ(again.run->joules, plan().run->joules);
  EXPECT_TRUE(again.growth);
}

// Making the plan of what was read gives the plan that was written.
TEST(PlanJson, HoldsAllThatAPlanIsMadeOf) {
  const Plan again = read_plan_json(plan_json(plan()), "p.json");
  ThreadPool pool(2);
  const Plan made = make_plan(again.request, pool);
  ASSERT_EQ(made.layouts.size(), plan().layouts.size());
  for (size_t i = 0; i < made.layouts.size(); ++i) {
    EXPECT_EQ(made.layouts[i].layout, plan().layouts[i].layout);
    EXPECT_EQ(made.layouts[i].cost.seconds, plan().layouts[i].cost.seconds);
  }
}

TEST(PlanJson, HoldsWhatDoesNotFit) {
  const Plan none = made("H100-SXM:64");
  ASSERT_TRUE(none.layouts.empty());
  const std::string text = plan_json(none);
  EXPECT_EQ(plan_json(read_plan_json(text, "p.json")), text);
}

// Whose swings are 0, or below it by rounding.
TEST(PlanJson, HoldsARunOfConstantPower) {
  for (const char* share : {"33%", "50%", "77%", "100%"}) {
    PlanFlags flags = small_flags();
    flags.tokens = "1e11";
    for (const char* key : {"power.compute=", "power.wait=", "power.idle="}) {
      flags.overrides.push_back(std::string(key) + share);
    }
    const std::string text = plan_json(plan_of(flags));
    EXPECT_EQ(plan_json(read_plan_json(text, "p.json")), text) << share;
  }
}

TEST(PlanJson, NamesItsUnits) {
  const json root = json::parse(plan_json(plan()));
  EXPECT_EQ(root["schema"], "colossus-plan");
  EXPECT_EQ(root["schema_version"], 1);
  EXPECT_EQ(root["request"]["cluster"]["gpu"]["peak_bf16_flops"], 989.4e12);
  EXPECT_EQ(root["request"]["cluster"]["node"]["nic_bytes_per_second"], 50e9);
  const json& first = root["layouts"][0];
  EXPECT_TRUE(first["terms"].contains("feed_forward_seconds"));
  EXPECT_LT(first["step_seconds_80_percent"]["low"], first["step_seconds"]);
  EXPECT_GT(first["step_seconds_80_percent"]["high"], first["step_seconds"]);
  EXPECT_EQ(root["inputs"][0]["key"], "cluster.name");
  EXPECT_EQ(root["inputs"][0]["grade"], "given");
}

TEST(PlanJson, RefusesWhatIsNoPlan) {
  EXPECT_THAT(refused("{"), HasSubstr("p.json"));
  EXPECT_THAT(refused("[]"), HasSubstr("p.json is no object"));
  EXPECT_THAT(refused("{}"), HasSubstr("p.json: 'schema' is missing"));
  EXPECT_THAT(refused_after([](json& j) { j["schema"] = "other"; }),
              HasSubstr("'schema' = 'other' must be 'colossus-plan'"));
  EXPECT_THAT(refused_after([](json& j) { j["schema_version"] = 2; }),
              HasSubstr("'schema_version' = 2; this program reads 1"));
}

TEST(PlanJson, NamesTheKeyThatIsWrong) {
  EXPECT_THAT(refused_after([](json& j) { j["layoutss"] = 1; }),
              HasSubstr("unknown key 'layoutss'; did you mean 'layouts'?"));
  EXPECT_THAT(refused_after([](json& j) { j["layouts"][1].erase("mfu"); }),
              HasSubstr("p.json.layouts[1]: 'mfu' is missing"));
  EXPECT_THAT(refused_after([](json& j) { j["layouts"][0]["mfu"] = "high"; }),
              HasSubstr("p.json.layouts[0].mfu must be a number"));
  EXPECT_THAT(
      refused_after([](json& j) { j["layouts"][0]["layout"]["tensor"] = 1.5; }),
      HasSubstr("p.json.layouts[0].layout.tensor must be a whole number"));
  EXPECT_THAT(
      refused_after([](json& j) { j["total_parameters"] = uint64_t{1} << 63; }),
      HasSubstr("total_parameters is too large"));
  EXPECT_THAT(refused_after([](json& j) { j["inputs"][0]["grade"] = "good"; }),
              HasSubstr("'grade' = 'good' is unknown"));
  EXPECT_THAT(refused_after([](json& j) { j["request"]["precision"] = "fp9"; }),
              HasSubstr("'precision' = 'fp9' is unknown"));
}

TEST(PlanJson, RefusesFiguresThatCannotBe) {
  EXPECT_THAT(
      refused_after([](json& j) { j["layouts"][0]["step_seconds"] = 0; }),
      HasSubstr("has no time"));
  EXPECT_THAT(
      refused_after([](json& j) { j["layouts"][0]["layout"]["tensor"] = 7; }),
      HasSubstr("p.json"));
  EXPECT_THAT(refused_after([](json& j) {
                j["layouts"][0]["terms"]["jitter_seconds"] = -1;
              }),
              HasSubstr("a term of a step is below 0"));
  EXPECT_THAT(
      refused_after([](json& j) { j["request"]["cluster"]["gpus"] = -8; }),
      HasSubstr("p.json"));
  EXPECT_THAT(
      refused_after([](json& j) { j["request"]["model"]["num_layers"] = 0; }),
      HasSubstr("num_layers"));
  EXPECT_THAT(refused_after(
                  [](json& j) { j["request"]["cluster"]["node"]["gpus"] = 0; }),
              HasSubstr("p.json: 'node.gpus' = 0 must be at least 1"));
}

// Their product would be no int64_t.
TEST(PlanJson, RefusesGroupsThatNoClusterHolds) {
  EXPECT_THAT(
      refused_after([](json& j) {
        json& layout = j["layouts"][0]["layout"];
        for (const char* group : {"tensor", "pipeline", "context", "data"}) {
          layout[group] = int64_t{1} << 31;
        }
      }),
      HasSubstr("p.json: tensor * pipeline * context * data"));
  EXPECT_THAT(refused_after([](json& j) { j["layouts"][0]["gpus"] = 8; }),
              HasSubstr("the cluster's 8 GPUs"));
}

// `path` as in "/layouts/0/mfu".
void expect_refused_below(const std::string& path, double value,
                          const std::string& words) {
  json root = json::parse(plan_json(plan()));
  const json::json_pointer at(path);
  ASSERT_TRUE(root.contains(at)) << path;
  root[at] = value;
  EXPECT_THAT(refused(root.dump()), HasSubstr(words)) << path;
}

TEST(PlanJson, RefusesFiguresBelowZero) {
  for (const char* part : {"states", "gathered", "activations", "live",
                           "buffers", "reserve", "fragments", "contexts"}) {
    expect_refused_below(fmt::format("/layouts/0/memory/{}_bytes", part), -1,
                         "must be at least 0");
  }
  for (const char* path :
       {"/layouts/0/tokens_per_second", "/layouts/0/flops_per_gpu",
        "/layouts/0/mfu", "/run/energy_joules", "/request/run_tokens",
        "/request/cluster/gpu/peak_bf16_flops", "/growth/tokens"}) {
    expect_refused_below(path, -1, "must be at least 0");
  }
  expect_refused_below("/request/calibration/jitter", -0.1,
                       "calibration.jitter = -0.1 must be above 0");
  expect_refused_below("/request/calibration/reserve", 0,
                       "calibration.reserve = 0 must be above 0");
  json none = json::parse(plan_json(made("H100-SXM:64")));
  none["does_not_fit"]["missing_bytes"] = -1;
  EXPECT_THAT(refused(none.dump()), HasSubstr("missing_bytes"));
}

}  // namespace
}  // namespace colossus::planner
