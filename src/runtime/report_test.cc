#include "runtime/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/clock.h"
#include "base/error.h"
#include "base/temporary_folder.h"
#include "config/config.h"
#include "config/toml.h"
#include "runtime/history.h"
#include "runtime/journal.h"

namespace colossus::runtime {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

RunHistory some_history(int64_t num_steps) {
  HistoryBuilder builder;
  RunStarted started;
  started.total_steps = num_steps;
  started.num_parameters = 3523456;
  started.numerics = "fma-1";
  builder.add({1773500999, started});
  for (int64_t step = 1; step <= num_steps; ++step) {
    StepMetrics metrics;
    metrics.step = step;
    metrics.loss = 2 + 5 / static_cast<double>(step);
    metrics.learning_rate = 1e-3;
    metrics.grad_norm = 0.5;
    metrics.tokens = 1024 * step;
    metrics.tokens_per_second = 4096;
    metrics.mfu = 0.43;
    metrics.seconds = 0.25;
    metrics.expert_load = {{0.1, 0.9}, {0.5, 0.5}};
    builder.add({1773501000, metrics});
  }
  return std::move(builder).finish();
}

std::string page_of(const RunHistory& history, const std::string& config = "") {
  return report_html("kjv", history, config);
}

size_t count(const std::string& text, const std::string& word) {
  size_t times = 0;
  for (size_t at = text.find(word); at != std::string::npos;
       at = text.find(word, at + 1)) {
    ++times;
  }
  return times;
}

TEST(Report, DrawsACurveForEveryMetric) {
  const std::string page = page_of(some_history(60));
  for (const char* title :
       {"Loss", "Learning rate", "Gradient norm", "Throughput",
        "Model FLOP utilization", "Expert load"}) {
    EXPECT_THAT(page, HasSubstr("<h3>" + std::string(title) + "</h3>"));
  }
  EXPECT_THAT(page, HasSubstr("<b>Layer 1</b>"));
}

TEST(Report, PutsTheMainFiguresOnTop) {
  RunHistory history = some_history(100);
  RunFinished finished;
  finished.step = 100;
  finished.val_loss = 2.4312;
  finished.bits_per_byte = 1.4135;
  finished.hash = "b5bb9d8014a0f9b1d61e21e796d78dcc";
  history.finished = finished;
  const std::string page = page_of(history);
  for (const char* figure :
       {"1.413", "loss 2.431", "102k", "25s", "4,096", "43.0% MFU", "3.52M",
        "fma-1", "b5bb9d8014a0f9b1d61e21e796d78dcc"}) {
    EXPECT_THAT(page, HasSubstr(figure));
  }
}

TEST(Report, LoadsNothingFromElsewhere) {
  const std::string page = page_of(some_history(60));
  for (const char* word :
       {"http:", "https:", "src=", "href=", "@import", "url(", "fetch("}) {
    EXPECT_THAT(page, Not(HasSubstr(word)));
  }
}

TEST(Report, EscapesWhateverTextARunHolds) {
  RunHistory history = some_history(3);
  const std::string evil = "</script><script>alert(1)</script>\xff\"'";
  history.samples.push_back({1, evil, evil});
  history.notices.push_back({0, 1, Notice::Kind::kBad, "Failed", evil});
  history.warnings.push_back(evil);
  history.starts.back().machine = evil;
  history.checkpoints.push_back({1, evil, evil, 0, 0});
  const std::string page = report_html(evil, history, evil);
  EXPECT_THAT(page, Not(HasSubstr("<script>alert")));
  EXPECT_EQ(count(page, "<script>"), 1u);  // our own
  EXPECT_THAT(page, Not(HasSubstr("\xff")));
}

TEST(Report, IsWellFormed) {
  const std::string page = page_of(some_history(60));
  for (const char* tag : {"svg", "div", "figure", "section", "span", "script",
                          "table", "h2", "h3", "p", "dl", "text"}) {
    const std::string name = tag;
    EXPECT_EQ(count(page, "<" + name + ">") + count(page, "<" + name + " "),
              count(page, "</" + name + ">"))
        << tag;
  }
}

TEST(Report, SaysHowHighTheLossWasWhereItsStartIsCutOff) {
  const std::string cut = "the first steps reach 7";
  EXPECT_THAT(page_of(some_history(1000)), HasSubstr(cut));
  EXPECT_THAT(page_of(some_history(50)), Not(HasSubstr(cut)));
}

TEST(Report, StaysSmallForALongRun) {
  EXPECT_LT(page_of(some_history(20000)).size(), 600000u);
}

TEST(Report, ShowsARunWithoutASingleStep) {
  EXPECT_THAT(page_of(RunHistory()), HasSubstr("None in the journal"));
  EXPECT_THAT(page_of(some_history(0)), HasSubstr("not finished"));
}

TEST(Report, DrawsARunWhoseLossIsNotFinite) {
  RunHistory history = some_history(10);
  for (StepMetrics& step : history.steps) {
    step.loss = std::numeric_limits<double>::quiet_NaN();
    step.grad_norm = std::numeric_limits<double>::infinity();
  }
  const std::string page = page_of(history);
  EXPECT_THAT(page, HasSubstr("Learning rate"));
  EXPECT_THAT(page, Not(HasSubstr("\"y\":[nan")));
  EXPECT_THAT(page, Not(HasSubstr("inf")));
}

TEST(Report, DrawsMetricsOfExtremeSize) {
  RunHistory history = some_history(10);
  history.steps[4].loss = 1e300;
  history.steps[5].loss = -1e300;
  history.steps[6].grad_norm = 1e-300;
  EXPECT_THAT(page_of(history), HasSubstr("</html>"));
}

TEST(Report, ExplainsTheConfigAndMarksWhatWasChanged) {
  config::Config config;
  config.run.steps = 1234;
  const std::string toml = config::write_toml(fields_of(config));
  const std::string page = page_of(some_history(3), toml);
  EXPECT_THAT(page, HasSubstr("<tr class=\"changed\"><th class=\"mono\">steps"
                              "</th><td class=\"value mono\">1234</td>"));
  EXPECT_THAT(page, HasSubstr("optimizer steps of the whole run"));
}

TEST(Report, ShowsAConfigItDoesNotUnderstandAsItStands) {
  EXPECT_THAT(page_of(some_history(3), "[model]\nflux = <7>\n"),
              HasSubstr("[model]\nflux = &lt;7&gt;\n"));
}

TEST(Report, IsWrittenBesideTheJournal) {
  const TemporaryFolder folder;
  const ManualClock clock(1773500999);
  Journal(real_file_system(), clock, folder.path())
      .write(Remark{0, "hello there"});
  const std::string path = write_report(real_file_system(), folder.path());
  EXPECT_EQ(path, folder / "report.html");
  EXPECT_THAT(read_file(path), HasSubstr("hello there"));
}

TEST(Report, OfAFolderWithoutJournalIsAUserError) {
  const TemporaryFolder folder;
  EXPECT_THROW(write_report(real_file_system(), folder.path()), UserError);
}

}  // namespace
}  // namespace colossus::runtime
