#include "cli/cli.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

#include "cli/commands.h"

namespace colossus::cli {
namespace {

using testing::HasSubstr;

struct Result {
  int exit_code;
  std::string out, err;
};

Result run_with(std::vector<const char*> words) {
  words.insert(words.begin(), "colossus");
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  const int exit_code = run(static_cast<int>(words.size()), words.data());
  return {exit_code, testing::internal::GetCapturedStdout(),
          testing::internal::GetCapturedStderr()};
}

// A folder of its own that is gone with the object.
class Folder {
 public:
  Folder() {
    std::string name =
        (std::filesystem::temp_directory_path() / "colossus-cli-XXXXXX")
            .string();
    path_ = mkdtemp(name.data());
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  std::string write(const std::string& name, const std::string& text) const {
    const std::string path = path_ + "/" + name;
    std::ofstream(path) << text;
    return path;
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

const std::string kConfigs = COLOSSUS_SOURCE_DIR "/configs/";

TEST(CommandLine, HelpAndVersionAreDone) {
  EXPECT_EQ(run_with({"--help"}).exit_code, kExitDone);
  EXPECT_THAT(run_with({"--version"}).out, HasSubstr("colossus "));
}

// Every command below `app`, as the words that name it.
void collect_commands(const CLI::App& app, const std::string& path,
                      std::vector<std::string>& found) {
  for (const CLI::App* command : app.get_subcommands(nullptr)) {
    const std::string name =
        path.empty() ? command->get_name() : path + " " + command->get_name();
    found.push_back(name);
    collect_commands(*command, name, found);
  }
}

TEST(CommandLine, EveryCommandHasHelpWithAnExample) {
  CLI::App app;
  add_all_commands(app);
  std::vector<std::string> commands;
  collect_commands(app, "", commands);
  EXPECT_GT(commands.size(), 10U);
  for (const std::string& command : commands) {
    std::istringstream stream(command + " --help");
    const std::vector<std::string> words{
        std::istream_iterator<std::string>(stream), {}};
    std::vector<const char*> pointers;
    for (const std::string& word : words) pointers.push_back(word.c_str());
    const Result result = run_with(pointers);
    EXPECT_EQ(result.exit_code, kExitDone) << command;
    EXPECT_THAT(result.out, HasSubstr("Example:\n  colossus " + command));
    EXPECT_EQ(result.err, "");
  }
}

TEST(CommandLine, NamesTheNearestCommand) {
  const Result result = run_with({"trian"});
  EXPECT_EQ(result.exit_code, kExitWrongUse);
  EXPECT_EQ(result.err,
            "colossus: unknown command 'trian'; did you mean 'train'?\n");
  EXPECT_EQ(run_with({"config", "sohw"}).err,
            "colossus config: unknown command 'sohw'; did you mean 'show'?\n");
}

TEST(CommandLine, NamesTheNearestFlag) {
  const Result result = run_with({"config", "show", "x", "--sett", "a=b"});
  EXPECT_EQ(result.exit_code, kExitWrongUse);
  EXPECT_EQ(result.err,
            "colossus config show: unknown flag '--sett'; did you mean "
            "'--set'?\n");
  EXPECT_THAT(run_with({"--verison"}).err, HasSubstr("'--version'"));
}

TEST(CommandLine, AValueThatLooksLikeAFlagIsNotOne) {
  EXPECT_THAT(run_with({"config", "show", "--set", "--x", "--sett"}).err,
              HasSubstr("unknown flag '--sett'"));
}

TEST(CommandLine, AsksForACommandWhereOneIsMissing) {
  const Result result = run_with({"config"});
  EXPECT_EQ(result.exit_code, kExitWrongUse);
  EXPECT_EQ(result.err, "colossus config: name a command: show, init\n");
  EXPECT_EQ(run_with({}).exit_code, kExitWrongUse);
}

TEST(CommandLine, NamesTheNearestConfigKeyWithItsLine) {
  const Folder folder;
  const std::string path = folder.write("x.toml", "\n[run]\nstesp = 3\n");
  const Result result = run_with({"config", "show", path.c_str()});
  EXPECT_EQ(result.exit_code, kExitWrongUse);
  EXPECT_EQ(result.err, "colossus config show: " + path +
                            ":3: unknown key 'run.stesp'; did you mean "
                            "'run.steps'?\n");
}

TEST(ConfigShow, PrintsEveryFieldItsOriginAndTheCounts) {
  const Result result =
      run_with({"config", "show", (kConfigs + "grok-1.toml").c_str(), "--set",
                "run.steps=2500"});
  EXPECT_EQ(result.exit_code, kExitDone);
  EXPECT_THAT(result.out, HasSubstr("315,684,820,992"));
  EXPECT_THAT(result.out, HasSubstr("grok-1.toml:7"));
  EXPECT_THAT(result.out,
              testing::ContainsRegex("run.steps +2500 +--set +optimizer"));
  EXPECT_THAT(result.out, HasSubstr("kernels.target"));
}

TEST(ConfigInit, WritesAConfigThatConfigShowTakes) {
  const Folder folder;
  folder.write("dataset.json", "{\"vocab_size\": 777}");
  for (const char* size : {"tiny", "small", "medium", "large"}) {
    const Result made = run_with(
        {"config", "init", "--data", folder.path().c_str(), "--size", size});
    ASSERT_EQ(made.exit_code, kExitDone) << made.err;
    EXPECT_THAT(made.out, HasSubstr("vocab_size = 777"));
    const std::string path = folder.write("made.toml", made.out);
    const Result shown = run_with({"config", "show", path.c_str()});
    EXPECT_EQ(shown.exit_code, kExitDone) << shown.err;
    EXPECT_THAT(shown.out, HasSubstr("runs/made"));
  }
}

TEST(ConfigInit, NeedsAPreparedFolderAndAKnownSize) {
  const Folder folder;
  const Result missing =
      run_with({"config", "init", "--data", folder.path().c_str()});
  EXPECT_EQ(missing.exit_code, kExitWrongUse);
  EXPECT_THAT(missing.err, HasSubstr("colossus data prepare"));
  EXPECT_THAT(run_with({"config", "init", "--data", "x", "--size", "smal"}).err,
              HasSubstr("did you mean 'small'?"));
}

// A command that cannot do what it was asked to, and a way out.
void expect_refused(const std::vector<const char*>& words,
                    const std::string& way_out) {
  const Result result = run_with(words);
  EXPECT_EQ(result.exit_code, kExitWrongUse) << words[0];
  EXPECT_THAT(result.err, HasSubstr(way_out));
  EXPECT_EQ(result.out, "");
}

TEST(Resize, OfARunThatNobodyWorksOnSaysHowToStartIt) {
  const Folder folder;
  const char* run = folder.path().c_str();
  expect_refused({"resize", run, "--ranks", "2"},
                 "nobody works on it; start it with `colossus train --resume " +
                     folder.path() + " --ranks 2`");
  expect_refused({"resize", run}, "--ranks");
  expect_refused({"resize", run, "--ranks", "0"}, "--ranks");
}

TEST(Stop, OfARunThatNobodyWorksOnIsDone) {
  const Folder folder;
  const Result result = run_with({"stop", folder.path().c_str()});
  EXPECT_EQ(result.exit_code, kExitDone);
  EXPECT_EQ(result.out, folder.path() + ": nobody works on it\n");
}

TEST(Coordinator, ListensToOtherMachinesOnlyWhereItIsAllowed) {
  const Folder folder;
  const char* run = folder.path().c_str();
  expect_refused({"coordinator", run, "--listen", "0.0.0.0:0"},
                 "add --insecure-network");
  expect_refused({"coordinator", run, "--listen", "127.0.0.1"},
                 "write HOST:PORT");
}

TEST(Agent, NeedsACoordinatorToJoin) {
  const Folder folder;
  const char* run = folder.path().c_str();
  std::filesystem::copy(kConfigs + "tiny-dense.toml",
                        folder.path() + "/config.toml");
  expect_refused({"agent", run}, "--join HOST:PORT");
  expect_refused({"agent", run, "--join", "10.0.0.1:7000"},
                 "add --insecure-network");
}

TEST(Train, TakesNoMoreRanksThanShards) {
  const std::string config = kConfigs + "tiny-dense.toml";
  expect_refused(
      {"train", config.c_str(), "--set", "run.num_shards=4", "--ranks", "5"},
      "5 ranks cannot share 4 shards");
}

const std::string kSeeds = COLOSSUS_SOURCE_DIR "/tests/fuzz_seeds/";

// nccl-tests alone fix what NVLink reaches; the file that is written serves
// `validate`.
TEST(PlanCalibrate, WritesAFileThatValidateReads) {
  const Folder folder;
  const std::string out = folder.path() + "/mine.toml";
  const std::string tests = kSeeds + "nccl_tests/all_reduce.txt";
  const Result made = run_with({"plan", "calibrate", tests.c_str(), "--cluster",
                                "H100-SXM:16", "--out", out.c_str()});
  ASSERT_EQ(made.exit_code, kExitDone) << made.err;
  EXPECT_THAT(made.out, HasSubstr("Fixed by nccl-tests:\n  nvlink_rate"));
  EXPECT_THAT(made.out, HasSubstr("Not determined at all, ours kept: bf16_am"));
  const Result shown =
      run_with({"plan", "validate", "--brief", "--calibration", out.c_str()});
  EXPECT_EQ(shown.exit_code, kExitDone) << shown.err;
  EXPECT_THAT(shown.out, HasSubstr("Calibrated numbers: as given"));
}

// --set takes one value and leaves the files.
TEST(PlanCalibrate, TakesFiguresOfTheClusterBeforeItsFiles) {
  const Folder folder;
  const std::string out = folder.path() + "/mine.toml";
  const std::string tests = kSeeds + "nccl_tests/all_reduce.txt";
  const Result made =
      run_with({"plan", "calibrate", "--cluster", "H100-SXM:16", "--set",
                "gpu.nvlink=400 GB/s", tests.c_str(), "--out", out.c_str()});
  EXPECT_EQ(made.exit_code, kExitDone) << made.err;
  EXPECT_TRUE(std::filesystem::exists(out));
}

TEST(PlanCalibrate, RefusesFlagsThatWouldDoNothing) {
  const Folder folder;
  const std::string out = folder.path() + "/mine.toml";
  const std::string tests = kSeeds + "nccl_tests/all_reduce.txt";
  expect_refused({"plan", "calibrate", tests.c_str(), "--set",
                  "node.nic=400 Gb/s", "--out", out.c_str()},
                 "--set node.nic=400 Gb/s: it changes a figure of --cluster");
  const std::string rows =
      folder.write("c.csv", "id,gpu,num_gpus,step_time_s\na,H100,8,12\n");
  expect_refused({"plan", "calibrate", rows.c_str(), "--cluster", "H100-SXM:8",
                  "--out", out.c_str()},
                 "--cluster H100-SXM:8: it is of use to nccl-tests alone");
}

TEST(PlanCalibrate, NamesWhatIsWrongWithLineAndColumn) {
  const Folder folder;
  const std::string unit = folder.write("u.csv", "id,gpu,step_time_ms\n");
  expect_refused({"plan", "calibrate", unit.c_str()},
                 "unknown column 'step_time_ms'");
  const std::string cell =
      folder.write("c.csv", "id,gpu,num_gpus,step_time_s\na,H100,8,12 ms\n");
  expect_refused({"plan", "calibrate", cell.c_str()}, "c.csv:2");
  const std::string missing = folder.path() + "/none.csv";
  expect_refused({"plan", "calibrate", missing.c_str()}, "none.csv");
}

TEST(PlanGoodput, ForecastsARunAndSaysWhatItRestsOn) {
  const std::string cluster = kConfigs + "colossus-100k.toml";
  const Result words =
      run_with({"plan", "goodput", "--cluster", cluster.c_str(), "--gpus",
                "80000", "--runs", "0"});
  EXPECT_EQ(words.exit_code, kExitDone) << words.err;
  EXPECT_THAT(words.out, HasSubstr("a job of 80000 GPUs"));
  EXPECT_THAT(words.out, HasSubstr("recovery.strategy"));
  EXPECT_THAT(words.out, HasSubstr("not simulated"));
  const Result json = run_with({"plan", "goodput", "--cluster", cluster.c_str(),
                                "--runs", "2", "--time", "1 day", "--json"});
  EXPECT_EQ(json.exit_code, kExitDone) << json.err;
  EXPECT_THAT(json.out, HasSubstr("\"simulated_without_tails\""));
  EXPECT_THAT(json.out, HasSubstr("\"time_of_steps_seconds\": "));
  EXPECT_THAT(json.out, HasSubstr("\"power_ramp_watts_per_second\": "));
  EXPECT_THAT(json.out, HasSubstr("\"runs_given_up\": 0"));
}

TEST(PlanGoodput, ShowsPublishedFigures) {
  const Result result = run_with({"plan", "goodput", "--validate"});
  EXPECT_EQ(result.exit_code, kExitDone) << result.err;
  EXPECT_THAT(result.out, HasSubstr("the published share allows it 16.7 min"));
}

TEST(PlanGoodput, NamesWhatIsWrong) {
  const std::string cluster = kConfigs + "colossus-100k.toml";
  expect_refused({"plan", "goodput"}, "--cluster is missing; or --validate");
  expect_refused(
      {"plan", "goodput", "--cluster", cluster.c_str(), "--gpus", "200000"},
      "--gpus 200000: the cluster has 100000");
  expect_refused(
      {"plan", "goodput", "--cluster", cluster.c_str(), "--step-time", "10"},
      "'--step-time' = \"10\" has no unit");
}

// Grok-1 with what is added.
Result plan_with(const std::vector<const char*>& more) {
  const std::string model = kConfigs + "grok-1.toml";
  std::vector<const char*> words = {
      "plan", "--model",   model.c_str(), "--batch-tokens",
      "4Mi",  "--seq-len", "8192"};
  words.insert(words.end(), more.begin(), more.end());
  return run_with(words);
}

TEST(PlanCommand, PrintsLayoutsTermsAndTheRun) {
  const Result result = plan_with({"--cluster", "H100-SXM:1024", "--tokens",
                                   "1T", "--set", "price.energy=0.07 $/kWh"});
  EXPECT_EQ(result.exit_code, kExitDone) << result.err;
  for (const char* part :
       {"316B parameters", "legal layouts", "EXTRAPOLATES. 1,024 GPUs",
        "Assumed, neither measured nor published", "80% range",
        "Where the time of a step goes", "pipeline bubble",
        "Where the memory of the heaviest GPU goes", "one percent more",
        "network bandwidth", "goodput", "0.07 $/kWh"}) {
    EXPECT_THAT(result.out, HasSubstr(part));
  }
}

TEST(PlanCommand, WithoutFlagsNamesTheFirstOne) {
  const Result result = run_with({"plan"});
  EXPECT_EQ(result.exit_code, kExitWrongUse);
  EXPECT_THAT(result.err, HasSubstr("--model is missing"));
  EXPECT_THAT(run_with({"plan", "--model", "x", "--seq-len", "long"}).err,
              HasSubstr("--seq-len"));
}

TEST(PlanCommand, RefusesALayoutThatCannotBe) {
  const Result result = plan_with(
      {"--cluster", "H100-SXM:1024", "--set", "parallel.pipeline=67"});
  EXPECT_EQ(result.exit_code, kExitWrongUse);
  EXPECT_THAT(result.err, HasSubstr("67 chunks are more than the 64 layers"));
}

TEST(PlanCommand, FailsWhereNothingFitsAndSaysWhatWould) {
  const Result result = plan_with({"--cluster", "H100-SXM:64"});
  EXPECT_EQ(result.exit_code, kExitFailed);
  EXPECT_THAT(result.err, HasSubstr("no layout fits"));
  EXPECT_THAT(result.out, HasSubstr("DOES NOT FIT"));
  EXPECT_THAT(result.out, HasSubstr("on 128 GPUs a layout fits"));
}

TEST(PlanCommand, WritesJsonAndATrainConfig) {
  const Folder folder;
  const std::string json = folder.path() + "/plan.json";
  const std::string toml = folder.path() + "/train.toml";
  const Result result =
      plan_with({"--cluster", "H100-SXM:1024", "--json", json.c_str(),
                 "--train-config", toml.c_str()});
  EXPECT_EQ(result.exit_code, kExitDone) << result.err;
  EXPECT_THAT(result.err, HasSubstr("which does not do"));
  EXPECT_EQ(run_with({"config", "show", toml.c_str()}).exit_code, kExitDone);
  std::stringstream text;
  text << std::ifstream(json).rdbuf();
  EXPECT_THAT(text.str(), HasSubstr("\"schema\": \"colossus-plan\""));
  const Result alone = plan_with({"--cluster", "H100-SXM:1024", "--json", "-"});
  EXPECT_THAT(alone.out, testing::StartsWith("{"));
}

TEST(PlanCommand, WritesOneAnswerToStandardOutput) {
  const Result result =
      plan_with({"--cluster", "H100-SXM:1024", "--json", "-", "--out", "-"});
  EXPECT_EQ(result.exit_code, kExitWrongUse);
  EXPECT_THAT(result.err, HasSubstr("--json - and --out -: only one can"));
  EXPECT_THAT(result.out, testing::IsEmpty());
}

// `more` behind a small request.
Result small_plan_with(std::vector<const char*> more) {
  static const std::string model = kConfigs + "dense-124m.toml";
  std::vector<const char*> words = {
      "plan",           "--model", model.c_str(), "--cluster", "H100-SXM:64",
      "--batch-tokens", "524288",  "--seq-len",   "1024"};
  words.insert(words.end(), more.begin(), more.end());
  return run_with(words);
}

TEST(PlanSweep, PrintsALineAValueAndDrawsThem) {
  const Folder folder;
  const std::string page = folder.path() + "/plan.html";
  const std::string json = folder.path() + "/sweep.json";
  const Result result =
      small_plan_with({"--sweep", "cluster.gpus=16:64:x2", "--out",
                       page.c_str(), "--json", json.c_str()});
  ASSERT_EQ(result.exit_code, kExitDone) << result.err;
  EXPECT_THAT(result.out, HasSubstr("cluster.gpus"));
  EXPECT_THAT(result.out, HasSubstr("\n            16 "));
  EXPECT_THAT(result.out, HasSubstr("\n            64 "));
  std::stringstream html, text;
  html << std::ifstream(page).rdbuf();
  text << std::ifstream(json).rdbuf();
  EXPECT_THAT(html.str(), HasSubstr("Over GPUs"));
  EXPECT_THAT(text.str(), HasSubstr("\"sweep\": \"cluster.gpus\""));
}

TEST(PlanSweep, RefusesWhatIsNoRangeAndKeysThatAreNone) {
  const Result range = small_plan_with({"--sweep", "cluster.gpus=64:16:x2"});
  EXPECT_EQ(range.exit_code, kExitWrongUse);
  EXPECT_THAT(range.err, HasSubstr("never reaches 16"));
  const Result key = small_plan_with({"--sweep", "cluster.gpux=16,64"});
  EXPECT_EQ(key.exit_code, kExitWrongUse);
  EXPECT_THAT(key.err, HasSubstr("cluster.gpux"));
  const Result train =
      small_plan_with({"--sweep", "cluster.gpus=16,64", "--train-config", "-"});
  EXPECT_EQ(train.exit_code, kExitWrongUse);
  EXPECT_THAT(train.err, HasSubstr("--train-config -: --sweep gives a plan"));
}

TEST(PlanDiff, NamesWhatChangedBetweenTwoFiles) {
  const Folder folder;
  const std::string a = folder.path() + "/a.json";
  const std::string b = folder.path() + "/b.json";
  ASSERT_EQ(small_plan_with({"--json", a.c_str()}).exit_code, kExitDone);
  ASSERT_EQ(small_plan_with({"--json", b.c_str(), "--set", "node.nic=50 Gb/s"})
                .exit_code,
            kExitDone);
  const Result same = run_with({"plan", "diff", a.c_str(), a.c_str()});
  EXPECT_THAT(same.out, HasSubstr("say the same"));
  const Result changed = run_with({"plan", "diff", a.c_str(), b.c_str()});
  ASSERT_EQ(changed.exit_code, kExitDone) << changed.err;
  EXPECT_THAT(changed.out, HasSubstr("node.nic"));
  EXPECT_THAT(changed.out, HasSubstr("Time of a step: +"));
  const std::string bad = folder.write("bad.json", "{}");
  expect_refused({"plan", "diff", a.c_str(), bad.c_str()}, "bad.json");
}

}  // namespace
}  // namespace colossus::cli
