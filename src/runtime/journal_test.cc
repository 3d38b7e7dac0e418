#include "runtime/journal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/error.h"
#include "base/file_system_fault.h"
#include "base/temporary_folder.h"
#include "runtime/journal_codec.h"

namespace colossus::runtime {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

StepMetrics step_metrics(int64_t step, double loss = 2.5) {
  StepMetrics metrics;
  metrics.step = step;
  metrics.loss = loss;
  metrics.expert_load = {{0.25, 0.75}, {0.5, 0.5}};
  return metrics;
}

struct Reading {
  std::vector<JournalRecord> records;
  std::vector<std::string> warnings;

  std::vector<int64_t> steps() const {
    std::vector<int64_t> steps;
    for (const JournalRecord& record : records) {
      const auto* metrics = std::get_if<StepMetrics>(&record.event);
      if (metrics != nullptr) steps.push_back(metrics->step);
    }
    return steps;
  }
};

Reading read_all(const std::string& path) {
  Reading reading;
  reading.warnings = read_journal(path, [&](JournalRecord record) {
    reading.records.push_back(std::move(record));
  });
  return reading;
}

class JournalTest : public ::testing::Test {
 protected:
  Journal open() { return Journal(real_file_system(), clock_, folder_.path()); }
  std::string path() const { return journal_path(folder_.path()); }
  void overwrite(const std::string& text) {
    real_file_system().create(path())->append(text);
  }
  void write_steps(int64_t first, int64_t last) {
    Journal journal = open();
    for (int64_t step = first; step <= last; ++step) {
      journal.write(step_metrics(step));
    }
  }

  TemporaryFolder folder_;
  ManualClock clock_{1773500999.125};
};

TEST_F(JournalTest, GivesBackEveryEventWithItsTime) {
  {
    Journal journal = open();
    RunStarted started;
    started.reason = "new run";
    started.num_parameters = 3500000;
    started.peak_flops_per_second = 1.95e11;
    journal.write(started);
    clock_.advance(1.5);
    StepMetrics metrics = step_metrics(7, 2.345678901234567);
    metrics.learning_rate = 3e-3;
    journal.write(metrics);
    journal.write(TextSample{7, "In the \"beginning\"\n", "\tGod"});
    journal.write(RunFailed{7, "loss is not finite"});
  }
  const Reading reading = read_all(path());
  EXPECT_THAT(reading.warnings, IsEmpty());
  ASSERT_THAT(reading.records, SizeIs(4));
  EXPECT_EQ(reading.records[0].wall_seconds, 1773500999.125);
  EXPECT_EQ(reading.records[1].wall_seconds, 1773501000.625);
  const auto& started = std::get<RunStarted>(reading.records[0].event);
  EXPECT_EQ(started.reason, "new run");
  EXPECT_EQ(started.num_parameters, 3500000);
  EXPECT_EQ(started.peak_flops_per_second, 1.95e11);
  const auto& metrics = std::get<StepMetrics>(reading.records[1].event);
  EXPECT_EQ(metrics.loss, 2.345678901234567);
  EXPECT_EQ(metrics.expert_load, (ExpertLoad{{0.25, 0.75}, {0.5, 0.5}}));
  const auto& sample = std::get<TextSample>(reading.records[2].event);
  EXPECT_EQ(sample.prompt, "In the \"beginning\"\n");
  EXPECT_EQ(std::get<RunFailed>(reading.records[3].event).reason,
            "loss is not finite");
}

TEST_F(JournalTest, GoesOnBehindWhatIsThere) {
  write_steps(1, 2);
  write_steps(3, 4);
  EXPECT_THAT(read_all(path()).steps(), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(read_all(path()).warnings, IsEmpty());
}

TEST_F(JournalTest, ALineIsTheDocumentedBytes) {
  EXPECT_EQ(encode_line({1000.5, RunStopped{12, "Ctrl-C"}}),
            "{\"time\":1000.5,\"event\":\"stopped\",\"step\":12,"
            "\"reason\":\"Ctrl-C\",\"crc\":\"e336d581\"}\n");
}

TEST_F(JournalTest, CutsATornLastLineAndSaysSo) {
  write_steps(1, 3);
  const std::string text = read_file(path());
  // Wherever the kill came inside the last line.
  const size_t last_line = text.rfind('\n', text.size() - 2) + 1;
  for (size_t cut = last_line + 1; cut < text.size(); ++cut) {
    overwrite(text.substr(0, cut));
    write_steps(4, 4);
    const Reading reading = read_all(path());
    ASSERT_THAT(reading.warnings, IsEmpty()) << "cut at " << cut;
    ASSERT_THAT(reading.steps(), ElementsAre(1, 2, 4)) << "cut at " << cut;
    const auto& remark = std::get<Remark>(reading.records[2].event);
    ASSERT_THAT(remark.reason,
                StartsWith("cut " + std::to_string(cut - last_line)));
  }
}

TEST_F(JournalTest, StartsAnewWhereOnlyATornHeaderIsLeft) {
  overwrite("{\"time\":1");
  write_steps(1, 1);
  const Reading reading = read_all(path());
  EXPECT_THAT(reading.warnings, IsEmpty());
  EXPECT_THAT(reading.steps(), ElementsAre(1));
}

TEST_F(JournalTest, ReadsBesideAWriterAtWork) {
  write_steps(1, 2);
  const std::string text = read_file(path());
  overwrite(text.substr(0, text.size() - 5));
  const Reading reading = read_all(path());
  EXPECT_THAT(reading.steps(), ElementsAre(1));
  EXPECT_THAT(reading.warnings, IsEmpty());
}

TEST_F(JournalTest, NamesADamagedLineAndGoesOn) {
  write_steps(1, 3);
  std::string text = read_file(path());
  text[text.find("\"step\":2") + 7] = '5';
  overwrite(text);
  const Reading reading = read_all(path());
  EXPECT_THAT(reading.steps(), ElementsAre(1, 3));
  EXPECT_THAT(reading.warnings,
              ElementsAre(HasSubstr("line 3 skipped: checksum does not")));
}

TEST_F(JournalTest, NoFlippedBitGoesUnnoticed) {
  write_steps(1, 2);
  const std::string text = read_file(path());
  for (size_t bit = 0; bit < 8 * text.size(); ++bit) {
    std::string damaged = text;
    damaged[bit / 8] ^= static_cast<char>(1 << (bit % 8));
    overwrite(damaged);
    const Reading reading = read_all(path());
    const bool is_noticed =
        !reading.warnings.empty() || reading.records.size() < 2;
    ASSERT_TRUE(is_noticed) << "bit " << bit;
  }
}

TEST_F(JournalTest, BoundsTheNumberOfWarnings) {
  std::string text = encode_header(0);
  for (int i = 0; i < 1000; ++i) text += "garbage\n";
  overwrite(text);
  const Reading reading = read_all(path());
  ASSERT_THAT(reading.warnings, SizeIs(101));
  EXPECT_THAT(reading.warnings.back(), HasSubstr("900 more damaged lines"));
}

TEST_F(JournalTest, WritesNumbersThatAreNotFiniteAsNull) {
  const std::string line = encode_line(
      {0, step_metrics(1, std::numeric_limits<double>::infinity())});
  EXPECT_THAT(line, HasSubstr("\"loss\":null"));
  const JournalRecord record = decode_line(line.substr(0, line.size() - 1));
  EXPECT_TRUE(std::isnan(std::get<StepMetrics>(record.event).loss));
}

TEST_F(JournalTest, KeepsAnyBytesOfASampleReadable) {
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes += static_cast<char>(i);
  const std::string line = encode_line({0, TextSample{1, "", bytes}});
  const JournalRecord record = decode_line(line.substr(0, line.size() - 1));
  const std::string& text = std::get<TextSample>(record.event).text;
  EXPECT_EQ(text.substr(0, 128), bytes.substr(0, 128));
  EXPECT_THAT(text, HasSubstr("\xef\xbf\xbd"));
}

TEST_F(JournalTest, RefusesAnotherVersion) {
  // A sound header of version 2: the line's last byte before the checksum is
  // the version, so a record of that version is built by hand.
  std::string header = encode_header(0);
  const std::string body =
      "{\"event\":\"journal\",\"format\":"
      "\"colossus-journal\",\"version\":2";
  overwrite(seal_line(body));
  EXPECT_THROW(open(), UserError);
  try {
    read_all(path());
    FAIL() << "was read";
  } catch (const UserError& error) {
    EXPECT_THAT(error.what(), HasSubstr("journal.jsonl"));
    EXPECT_THAT(error.what(), HasSubstr("version 2"));
  }
}

TEST_F(JournalTest, SkipsEventsOfNewerPrograms) {
  overwrite(encode_header(0) + seal_line("{\"event\":\"eclipse\"") +
            encode_line({0, step_metrics(1)}));
  const Reading reading = read_all(path());
  EXPECT_THAT(reading.steps(), ElementsAre(1));
  EXPECT_THAT(reading.warnings, ElementsAre(HasSubstr("event 'eclipse'")));
}

TEST_F(JournalTest, RefusesFieldsOfTheWrongType) {
  overwrite(encode_header(0) +
            seal_line("{\"event\":\"step\",\"step\":\"two\""));
  EXPECT_THAT(read_all(path()).warnings,
              ElementsAre(HasSubstr("field 'step' is not an integer")));
}

TEST_F(JournalTest, NoJournalIsAUserError) {
  EXPECT_THROW(read_all(path()), UserError);
}

// A full disk at any operation: what was written before stays, and once there
// is room again the journal goes on without a damaged line.
TEST_F(JournalTest, SurvivesEveryFailingWrite) {
  for (int64_t strike = 0;; ++strike) {
    const TemporaryFolder folder;
    FaultFileSystem fs(real_file_system(), Fault::kInputOutput, strike);
    try {
      Journal journal(fs, clock_, folder.path());
      for (int64_t step = 1; step <= 3; ++step) {
        try {
          journal.write(step_metrics(step));
          journal.write(CheckpointSaved{step, "p", "h", 1, 1});
        } catch (const RunError&) {
          journal.write(Remark{step, "the disk is well again"});
        }
      }
      const Reading reading = read_all(journal.path());
      ASSERT_THAT(reading.warnings, IsEmpty()) << "strike " << strike;
      ASSERT_GE(reading.records.size(), 5u) << "strike " << strike;
    } catch (const RunError&) {
      // Opening failed: nothing more to ask of it.
    }
    if (!fs.struck()) break;
  }
}

// Killed inside any write: the next process goes on, and loses no whole line.
TEST_F(JournalTest, SurvivesAKillAtEveryWrite) {
  for (int64_t strike = 0;; ++strike) {
    const TemporaryFolder folder;
    FaultFileSystem fs(real_file_system(), Fault::kKill, strike);
    int64_t done = 0;
    try {
      Journal journal(fs, clock_, folder.path());
      for (; done < 3; ++done) journal.write(step_metrics(done + 1));
    } catch (const SimulatedKill&) {
    }
    Journal next(real_file_system(), clock_, folder.path());
    next.write(step_metrics(100));
    const Reading reading = read_all(next.path());
    ASSERT_THAT(reading.warnings, IsEmpty()) << "strike " << strike;
    ASSERT_EQ(static_cast<int64_t>(reading.steps().size()), done + 1);
    if (!fs.struck()) break;
  }
}

// Reads a journal as it grows.
class FollowerTest : public JournalTest {
 protected:
  // The steps that are new to the follower.
  std::vector<int64_t> new_steps() {
    std::vector<int64_t> steps;
    follower_.read_new([&](const JournalRecord& record) {
      const auto* metrics = std::get_if<StepMetrics>(&record.event);
      if (metrics != nullptr) steps.push_back(metrics->step);
    });
    return steps;
  }
  void append(const std::string& text) {
    real_file_system().open_append(path())->append(text);
  }
  static std::string line(int64_t step) {
    return encode_line({1000, step_metrics(step)});
  }

 private:
  JournalFollower follower_{folder_.path()};
};

TEST_F(FollowerTest, GivesEachEventOnce) {
  EXPECT_THAT(new_steps(), IsEmpty());  // no journal yet
  write_steps(1, 2);
  EXPECT_THAT(new_steps(), ElementsAre(1, 2));
  EXPECT_THAT(new_steps(), IsEmpty());
  write_steps(3, 3);
  EXPECT_THAT(new_steps(), ElementsAre(3));
  EXPECT_THAT(new_steps(), IsEmpty());
}

TEST_F(FollowerTest, WaitsForATornLine) {
  write_steps(1, 1);
  const std::string second = line(2);
  append(second.substr(0, 10));
  EXPECT_THAT(new_steps(), ElementsAre(1));
  append(second.substr(10, second.size() - 11));
  EXPECT_THAT(new_steps(), IsEmpty());  // but for its newline it is there
  append("\n" + line(3).substr(0, 5));
  EXPECT_THAT(new_steps(), ElementsAre(2));
  append(line(3).substr(5));
  EXPECT_THAT(new_steps(), ElementsAre(3));
}

TEST_F(FollowerTest, WaitsForATornHeader) {
  const std::string header = encode_header(1000);
  overwrite(header.substr(0, 5));
  EXPECT_THAT(new_steps(), IsEmpty());
  append(header.substr(5));
  EXPECT_THAT(new_steps(), IsEmpty());
  append(line(1));
  EXPECT_THAT(new_steps(), ElementsAre(1));
}

TEST_F(FollowerTest, SkipsADamagedLine) {
  write_steps(1, 1);
  std::string damaged = line(2);
  damaged[damaged.size() / 2] ^= 1;
  append(damaged + "\n" + line(3));
  EXPECT_THAT(new_steps(), ElementsAre(1, 3));
}

// The writer was killed in the midst of a line, and its successor cut it off.
TEST_F(FollowerTest, GoesOnBehindATornLineThatWasCutOff) {
  write_steps(1, 1);
  append(line(2).substr(0, 30));
  EXPECT_THAT(new_steps(), ElementsAre(1));
  write_steps(3, 3);
  EXPECT_THAT(new_steps(), ElementsAre(3));
}

}  // namespace
}  // namespace colossus::runtime
