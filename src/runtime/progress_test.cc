#include "runtime/progress.h"

#include <gtest/gtest.h>

#include <sstream>

namespace colossus::runtime {
namespace {

TrainProgress some_progress() {
  TrainProgress progress;
  progress.step = 450;
  progress.steps = 1500;
  progress.loss = 2.3114;
  progress.tokens_per_second = 4380.4;
  progress.mfu = 0.4817;
  progress.seconds_left = 200;
  return progress;
}

ProgressOptions terminal(int width) {
  ProgressOptions options;
  options.is_terminal = true;
  options.width = width;
  return options;
}

ProgressView plain_view(const std::string& done) {
  ProgressView view;
  view.label = "job";
  view.done = done;
  view.fraction = -1;
  return view;
}

TEST(ProgressText, ShowsBarAndFactsWhereThereIsRoom) {
  EXPECT_EQ(progress_text(train_view(some_progress()), 100),
            "train  [======>               ]  450/1500  loss 2.311  "
            "4,380 tok/s  3m20s left  MFU 48.2%");
}

TEST(ProgressText, ShrinksTheBarFirst) {
  EXPECT_EQ(
      progress_text(train_view(some_progress()), 79),
      "train  [===>        ]  450/1500  loss 2.311  4,380 tok/s  3m20s left"
      "  MFU 48.2%");
}

TEST(ProgressText, DropsTheLeastImportantFactsLast) {
  EXPECT_EQ(progress_text(train_view(some_progress()), 45),
            "train  450/1500  loss 2.311  4,380 tok/s");
  EXPECT_EQ(progress_text(train_view(some_progress()), 10), "train  450");
}

TEST(ProgressText, NeverPassesTheWidth) {
  for (int width = 0; width < 140; ++width) {
    const std::string text = progress_text(train_view(some_progress()), width);
    ASSERT_LE(text.size(), static_cast<size_t>(width));
  }
}

TEST(ProgressText, FillsTheBarAtTheEnd) {
  TrainProgress progress = some_progress();
  progress.step = 1500;
  EXPECT_EQ(progress_text(train_view(progress), 100).substr(0, 33),
            "train  [======================]  ");
}

TEST(ProgressLine, RedrawsInPlaceOnATerminal) {
  std::ostringstream out;
  ProgressLine line(out, terminal(80));
  line.update(1.0, plain_view("1"));
  line.update(2.0, plain_view("2"));
  EXPECT_EQ(out.str(), "\r\x1b[2Kjob  1\r\x1b[2Kjob  2");
}

TEST(ProgressLine, DrawsNoOftenerThanAsked) {
  std::ostringstream out;
  ProgressLine line(out, terminal(80));
  line.update(1.0, plain_view("1"));
  line.update(1.05, plain_view("2"));
  line.update(1.125, plain_view("3"));
  EXPECT_EQ(out.str(), "\r\x1b[2Kjob  1\r\x1b[2Kjob  3");
}

TEST(ProgressLine, PrintsNotesAboveTheLiveLine) {
  std::ostringstream out;
  ProgressLine line(out, terminal(80));
  line.update(1.0, plain_view("1"));
  line.note("saved");
  EXPECT_EQ(out.str(), "\r\x1b[2Kjob  1\r\x1b[2Ksaved\njob  1");
}

TEST(ProgressLine, LeavesTheLastViewWhenFinished) {
  std::ostringstream out;
  ProgressLine line(out, terminal(80));
  line.update(1.0, plain_view("1"));
  line.update(1.01, plain_view("2"));
  line.finish();
  line.note("bye");
  EXPECT_EQ(out.str(), "\r\x1b[2Kjob  1\r\x1b[2Kjob  2\nbye\n");
}

TEST(ProgressLine, WritesPlainLinesElsewhere) {
  std::ostringstream out;
  ProgressLine line(out, ProgressOptions());
  for (int second = 0; second <= 25; ++second) {
    TrainProgress progress = some_progress();
    progress.step = second;
    line.update(second, train_view(progress));
  }
  line.note("saved");
  line.finish();
  const std::string facts =
      "/1500  loss 2.311  4,380 tok/s  3m20s left  MFU "
      "48.2%\n";
  EXPECT_EQ(out.str(), "train  0" + facts + "train  10" + facts + "train  20" +
                           facts + "saved\ntrain  25" + facts);
}

TEST(ProgressLine, FinishingTwiceOrUnusedPrintsNothing) {
  std::ostringstream out;
  ProgressLine line(out, terminal(80));
  line.finish();
  line.finish();
  EXPECT_EQ(out.str(), "");
}

TEST(BytesView, ShowsShareRateAndTimeLeft) {
  EXPECT_EQ(progress_text(bytes_view("tokenize", 420, 1000, 100), 60),
            "tokenize  [=========>            ]  42%  0.0 MB/s  6s left");
}

TEST(BytesView, ShowsAmountWhereTheTotalIsUnknown) {
  EXPECT_EQ(progress_text(bytes_view("read", 3u << 20, 0, 2.5e6), 60),
            "read  3.00 MiB  2.5 MB/s");
}

}  // namespace
}  // namespace colossus::runtime
