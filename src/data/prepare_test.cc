#include "data/prepare.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <map>

#include "base/error.h"
#include "base/file_system_fault.h"
#include "base/temporary_folder.h"
#include "data/document_windows.h"
#include "data/split_rule.h"
#include "data/test_text.h"

namespace colossus::data {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

using Files = std::map<std::string, std::string>;

// Documents of some lines each, as JSONL.
std::string jsonl(uint64_t num_documents) {
  std::string lines;
  for (uint64_t i = 0; i < num_documents; ++i) {
    std::string text;
    for (const char c : many_sentences(100 * i, 5)) {
      text += c == '\n' ? "\\n" : std::string(1, c);
    }
    lines += "{\"text\":\"" + text + "\"}\n";
  }
  return lines;
}

std::string document(uint64_t number) {
  return many_sentences(100 * number, 5);
}

class PrepareTest : public testing::Test {
 protected:
  PrepareTest() {
    write_text(folder_ / "in.jsonl", jsonl(60));
    options_.inputs = {folder_ / "in.jsonl"};
    options_.out = folder_ / "out";
    options_.vocab_size = 320;
    options_.num_threads = 2;
  }

  Files files() const {
    Files result;
    for (const char* name :
         {kTokenizerFile, kTrainFile, kValFile, kDatasetFile}) {
      result[name] = read_file(join_path(options_.out, name));
    }
    return result;
  }
  void start_again() { std::filesystem::remove_all(options_.out); }

  Files clean_result() {
    start_again();
    EXPECT_EQ(prepare(options_), PrepareOutcome::kDone);
    Files result = files();
    start_again();
    return result;
  }

  std::vector<std::string> texts(const TokenFile& file,
                                 const Tokenizer& tokenizer) const {
    std::vector<std::string> result;
    for (int64_t i = 0; i < file.info().num_documents; ++i) {
      const DocumentBounds bounds = file.document(i);
      std::vector<int32_t> tokens(static_cast<size_t>(bounds.num_tokens()));
      file.read(bounds.token_begin, tokens);
      EXPECT_EQ(tokens.front(), tokenizer.bos());
      EXPECT_EQ(tokens.back(), tokenizer.eos());
      result.push_back(tokenizer.decode(tokens));
      EXPECT_EQ(static_cast<int64_t>(result.back().size()),
                bounds.num_text_bytes);
    }
    return result;
  }

  std::string error() {
    try {
      prepare(options_);
    } catch (const UserError& error) {
      return error.what();
    }
    return "";
  }

  TemporaryFolder folder_;
  PrepareOptions options_;
};

TEST_F(PrepareTest, WritesEveryDocumentIntoOneOfTheSplits) {
  options_.val_fraction = 0.3;
  ASSERT_EQ(prepare(options_), PrepareOutcome::kDone);
  const Dataset dataset = open_dataset(options_.out);
  std::vector<std::string> all = texts(dataset.train, dataset.tokenizer);
  const auto val = texts(dataset.val, dataset.tokenizer);
  EXPECT_GT(val.size(), 5u);
  EXPECT_LT(val.size(), 35u);
  all.insert(all.end(), val.begin(), val.end());
  std::vector<std::string> expected;
  for (uint64_t i = 0; i < 60; ++i) expected.push_back(document(i));
  EXPECT_THAT(all, testing::UnorderedElementsAreArray(expected));
  EXPECT_EQ(dataset.info.vocab_size, dataset.tokenizer.vocab_size());
}

TEST_F(PrepareTest, GivesTheSameBytesForAnyNumberOfThreads) {
  write_text(folder_ / "in.jsonl", jsonl(3000));  // many batches
  options_.num_threads = 1;
  const Files one = clean_result();
  for (const int threads : {2, 5}) {
    options_.num_threads = threads;
    EXPECT_EQ(clean_result(), one);
  }
}

TEST_F(PrepareTest, DoesNothingTheSecondTime) {
  ASSERT_EQ(prepare(options_), PrepareOutcome::kDone);
  const Files first = files();
  EXPECT_EQ(prepare(options_), PrepareOutcome::kUpToDate);
  EXPECT_EQ(files(), first);
}

// Standard input is a file while this lives.
class FileAsStdin {
 public:
  explicit FileAsStdin(const std::string& path)
      : before_(dup(STDIN_FILENO)), file_(open(path.c_str(), O_RDONLY)) {
    EXPECT_GE(dup2(file_, STDIN_FILENO), 0);
  }
  ~FileAsStdin() {
    dup2(before_, STDIN_FILENO);
    close(before_);
    close(file_);
  }

 private:
  const int before_, file_;
};

TEST_F(PrepareTest, KnowsStandardInputByItsContent) {
  options_.inputs = {"-"};
  options_.stdin_format = "jsonl";
  const auto prepare_stdin = [&] {
    const FileAsStdin input(folder_ / "in.jsonl");
    return prepare(options_);
  };
  EXPECT_EQ(prepare_stdin(), PrepareOutcome::kDone);
  EXPECT_EQ(prepare_stdin(), PrepareOutcome::kUpToDate);
  std::string other = jsonl(60);
  other[other.find("text") + 8] ^= 1;  // as long as before
  write_text(folder_ / "in.jsonl", other);
  EXPECT_EQ(prepare_stdin(), PrepareOutcome::kDone);
}

TEST_F(PrepareTest, LeavesNothingWhereItsInputsCannotBeRead) {
  options_.inputs = {folder_ / "missing.txt"};
  EXPECT_THAT(error(), HasSubstr("missing.txt"));
  EXPECT_FALSE(path_exists(options_.out));
  write_text(folder_ / "in.jsonl", "no object");
  options_.inputs = {"-"};
  options_.stdin_format = "jsonl";
  const FileAsStdin input(folder_ / "in.jsonl");
  EXPECT_THAT(error(), HasSubstr("-:1:"));
  EXPECT_TRUE(std::filesystem::is_empty(options_.out));
}

TEST_F(PrepareTest, StartsAgainWhenInputsOptionsOrResultsChanged) {
  ASSERT_EQ(prepare(options_), PrepareOutcome::kDone);
  options_.val_fraction = 0.2;
  EXPECT_EQ(prepare(options_), PrepareOutcome::kDone);
  write_text(folder_ / "in.jsonl", jsonl(61));
  EXPECT_EQ(prepare(options_), PrepareOutcome::kDone);
  EXPECT_EQ(prepare(options_), PrepareOutcome::kUpToDate);
  std::string damaged = read_file(join_path(options_.out, kTrainFile));
  damaged.resize(damaged.size() / 2);
  write_text(join_path(options_.out, kTrainFile), damaged);
  EXPECT_EQ(prepare(options_), PrepareOutcome::kDone);
  open_dataset(options_.out).train.verify();
}

TEST_F(PrepareTest, GivesTheSameBytesWhereverItWasStopped) {
  const Files expected = clean_result();
  bool stopped = true;
  for (int stop_at = 0; stopped; ++stop_at) {
    start_again();
    std::atomic<bool> stop = false;
    int reports = 0;
    options_.stop = &stop;
    options_.on_progress = [&](const PrepareProgress&) {
      if (reports++ == stop_at) stop = true;
    };
    stopped = prepare(options_) == PrepareOutcome::kStopped;
    if (stopped) {
      EXPECT_THROW(open_dataset(options_.out), UserError);
    }
    options_.stop = nullptr;
    options_.on_progress = nullptr;
    EXPECT_EQ(prepare(options_),
              stopped ? PrepareOutcome::kDone : PrepareOutcome::kUpToDate);
    EXPECT_EQ(files(), expected);
  }
}

TEST_F(PrepareTest, GivesTheSameBytesWhereverItWasKilled) {
  const Files expected = clean_result();
  for (const Fault fault : {Fault::kKill, Fault::kPowerCut}) {
    bool struck = true;
    for (int64_t n = 0; struck; ++n) {
      start_again();
      FaultFileSystem fs(real_file_system(), fault, n);
      options_.fs = &fs;
      try {
        prepare(options_);
      } catch (const SimulatedKill&) {
      }
      struck = fs.struck();
      options_.fs = &real_file_system();
      prepare(options_);
      ASSERT_EQ(files(), expected) << n;
    }
  }
}

TEST_F(PrepareTest, DoesNotTrainTheTokenizerTwiceWhenStoppedBehindIt) {
  std::atomic<bool> stop = false;
  options_.stop = &stop;
  options_.on_progress = [&](const PrepareProgress& progress) {
    stop = progress.stage == "tokenizing";
  };
  // The stop is seen at the report after this one, of another batch.
  write_text(folder_ / "in.jsonl", jsonl(3000));
  ASSERT_EQ(prepare(options_), PrepareOutcome::kStopped);
  options_.stop = nullptr;
  std::vector<std::string> stages;
  options_.on_progress = [&](const PrepareProgress& progress) {
    if (stages.empty() || stages.back() != progress.stage) {
      stages.push_back(progress.stage);
    }
  };
  ASSERT_EQ(prepare(options_), PrepareOutcome::kDone);
  EXPECT_THAT(stages, ElementsAre("tokenizing"));
}

TEST_F(PrepareTest, HoldsOutDocumentsByNumberAndHidesThemFromTheTokenizer) {
  std::string lines;
  for (int i = 0; i < 60; ++i) {
    // Words that only the documents held out have.
    const char* word = i % 20 == 7 ? "zyxw " : i % 20 == 3 ? "qpqp " : "plain ";
    std::string text;
    for (int j = 0; j < 50; ++j) text += word;
    lines += "{\"text\":\"" + text + "\"}\n";
  }
  write_text(folder_ / "in.jsonl", lines);
  options_.val_every = "20:3";
  options_.exclude_every = "20:7";
  ASSERT_EQ(prepare(options_), PrepareOutcome::kDone);
  const Dataset dataset = open_dataset(options_.out);
  EXPECT_EQ(dataset.info.val.num_documents, 3);
  EXPECT_EQ(dataset.info.train.num_documents, 54);
  EXPECT_EQ(dataset.info.num_excluded_documents, 3);
  EXPECT_EQ(dataset.info.num_excluded_bytes, 3 * 250);
  for (const auto& text : texts(dataset.val, dataset.tokenizer)) {
    EXPECT_THAT(text, HasSubstr("qpqp"));
  }
  EXPECT_LE(dataset.tokenizer.encode(" plain").size(), 1u);
  EXPECT_GE(dataset.tokenizer.encode("zyxw").size(), 4u);
  EXPECT_GE(dataset.tokenizer.encode("qpqp").size(), 4u);
}

TEST_F(PrepareTest, ValidatesOnFilesOfTheirOwn) {
  write_text(folder_ / "val.txt", "the old king\n");
  options_.val_inputs = {folder_ / "val.txt"};
  ASSERT_EQ(prepare(options_), PrepareOutcome::kDone);
  const Dataset dataset = open_dataset(options_.out);
  EXPECT_EQ(dataset.info.train.num_documents, 60);
  EXPECT_THAT(texts(dataset.val, dataset.tokenizer),
              ElementsAre("the old king\n"));
  EXPECT_TRUE(dataset.info.sources.back().validation);
  options_.val_every = "20:7";
  EXPECT_THAT(error(), HasSubstr("only one of them"));
}

TEST_F(PrepareTest, CutsASingleBookSoThatAPartOfItValidates) {
  const std::string book = many_sentences(0, 4000);
  write_text(folder_ / "book.txt", book);
  options_.inputs = {folder_ / "book.txt"};
  std::vector<std::string> notes;
  options_.on_note = [&](const std::string& note) { notes.push_back(note); };
  ASSERT_EQ(prepare(options_), PrepareOutcome::kDone);
  const Dataset dataset = open_dataset(options_.out);
  EXPECT_GE(dataset.info.val.num_documents, 1);
  EXPECT_GT(dataset.info.train.num_text_bytes,
            static_cast<int64_t>(book.size()) / 2);
  EXPECT_EQ(dataset.info.train.num_text_bytes + dataset.info.val.num_text_bytes,
            static_cast<int64_t>(book.size()));
  EXPECT_THAT(notes, testing::Contains(HasSubstr("few documents")));
}

TEST_F(PrepareTest, TakesAnExistingTokenizer) {
  ASSERT_EQ(prepare(options_), PrepareOutcome::kDone);
  const std::string model = read_file(join_path(options_.out, kTokenizerFile));
  write_text(folder_ / "mine.model", model);
  options_.tokenizer = folder_ / "mine.model";
  options_.out = folder_ / "out2";
  ASSERT_EQ(prepare(options_), PrepareOutcome::kDone);
  EXPECT_EQ(read_file(join_path(options_.out, kTokenizerFile)), model);
  EXPECT_EQ(prepare(options_), PrepareOutcome::kUpToDate);
}

TEST_F(PrepareTest, NamesWhatIsWrongWithItsInputs) {
  write_text(folder_ / "empty.txt", "");
  options_.inputs = {folder_ / "empty.txt"};
  EXPECT_THAT(error(), HasSubstr("empty.txt"));
  write_text(folder_ / "bad.txt", "abc\xFF");
  options_.inputs = {folder_ / "bad.txt"};
  EXPECT_THAT(error(), HasSubstr("offset 3"));
  write_text(folder_ / "one.txt", "one document");
  options_.inputs = {folder_ / "one.txt"};
  EXPECT_THAT(error(), HasSubstr("to validate on"));
  options_.vocab_size = 10;
  EXPECT_THAT(error(), HasSubstr("vocabulary"));
  options_.inputs = {};
  EXPECT_THAT(error(), HasSubstr("no inputs"));
}

TEST_F(PrepareTest, RefusesADatasetWhoseFilesDoNotBelongTogether) {
  ASSERT_EQ(prepare(options_), PrepareOutcome::kDone);
  const std::string first = read_file(join_path(options_.out, kValFile));
  options_.val_fraction = 0.4;
  ASSERT_EQ(prepare(options_), PrepareOutcome::kDone);
  write_text(join_path(options_.out, kValFile), first);
  EXPECT_THROW(open_dataset(options_.out), CorruptFile);
}

TEST(SplitRule, ReadsNumbersOfDocuments) {
  const EveryRule rule = parse_every_rule("20:7", "--val-every");
  EXPECT_TRUE(rule.matches(7));
  EXPECT_TRUE(rule.matches(27));
  EXPECT_FALSE(rule.matches(20));
  EXPECT_FALSE(parse_every_rule("", "--val-every").matches(0));
  for (const char* bad : {"20", "20:", ":7", "20:20", "0:0", "-3:1", "a:b",
                          "20:7 ", "20:-1", "20:7:1"}) {
    EXPECT_THROW(parse_every_rule(bad, "--val-every"), UserError) << bad;
  }
}

TEST(SplitRule, SendsAboutItsShareToValidation) {
  SplitRule rule;
  rule.val_fraction = 0.1;
  int num_val = 0;
  for (int i = 0; i < 10'000; ++i) {
    const std::string text = sentence(i);
    const Hash128 hash = hash128(std::as_bytes(std::span(text)));
    num_val += rule.split_of(i, hash) == Split::kVal;
    EXPECT_EQ(rule.split_of(i, hash), rule.split_of(0, hash));
  }
  EXPECT_GT(num_val, 850);
  EXPECT_LT(num_val, 1150);
}

}  // namespace
}  // namespace colossus::data
