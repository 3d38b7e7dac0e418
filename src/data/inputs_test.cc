#include "data/inputs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/error.h"
#include "base/temporary_folder.h"
#include "data/corpus.h"
#include "data/test_text.h"

namespace colossus::data {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<std::string> paths(const InputList& list) {
  std::vector<std::string> result;
  for (const InputFile& file : list.files) result.push_back(file.path);
  return result;
}

TEST(ListInputs, WalksAFolderInOrderAndCountsWhatItSkips) {
  const TemporaryFolder folder;
  std::filesystem::create_directories(folder / "b/c");
  std::filesystem::create_directories(folder / ".git");
  for (const char* name : {"z.txt", "b/c/y.md", "b/a.jsonl.gz", "b/x.png",
                           ".git/q.txt", ".hidden.txt"}) {
    write_text(folder / name, "text");
  }
  const InputList list = list_inputs({folder.path()});
  EXPECT_THAT(paths(list), ElementsAre(folder / "b/a.jsonl.gz",
                                       folder / "b/c/y.md", folder / "z.txt"));
  EXPECT_EQ(list.num_skipped, 1);
  EXPECT_EQ(list.a_skipped_one, folder / "b/x.png");
  EXPECT_EQ(list.files[0].format.text, TextFormat::kJsonl);
  EXPECT_EQ(list.files[0].format.compression, Compression::kGzip);
  EXPECT_EQ(list.files[0].num_bytes, 4u);
}

TEST(ListInputs, ExpandsPatternsInOrder) {
  const TemporaryFolder folder;
  for (const char* name : {"b.txt", "a.txt", "c.md"}) {
    write_text(folder / name, "text");
  }
  EXPECT_THAT(paths(list_inputs({folder / "*.txt"})),
              ElementsAre(folder / "a.txt", folder / "b.txt"));
  EXPECT_THROW(list_inputs({folder / "*.jsonl"}), UserError);
}

TEST(ListInputs, SaysWhichKindsItKnows) {
  const TemporaryFolder folder;
  write_text(folder / "a.pdf", "text");
  try {
    list_inputs({folder / "a.pdf"});
    FAIL();
  } catch (const UserError& error) {
    EXPECT_THAT(error.what(), HasSubstr("a.pdf"));
    EXPECT_THAT(error.what(), HasSubstr(".jsonl"));
  }
  EXPECT_THROW(list_inputs({folder / "missing.txt"}), UserError);
}

TEST(Corpus, GivesTheDocumentsOfAllFilesAndNamesTheEmptyOnes) {
  const TemporaryFolder folder;
  write_text(folder / "1.txt", "one");
  write_text(folder / "2.txt", "");
  write_text(folder / "3.jsonl", "{\"text\":\"two\"}\n{\"text\":\"three\"}\n");
  write_text(folder / "4.txt.gz", gzip("four"));
  write_text(folder / "5.md.zst", zstd("five"));
  write_text(folder / "6.txt.gz", gzip(""));
  const InputList list = list_inputs({folder.path()});
  const ReadOptions options;
  Corpus corpus(list.files, options);
  std::vector<std::string> documents;
  std::string document;
  while (corpus.next(document)) documents.push_back(document);
  EXPECT_THAT(documents, ElementsAre("one", "two", "three", "four", "five"));
  EXPECT_THAT(corpus.empty_files(),
              ElementsAre(folder / "2.txt", folder / "6.txt.gz"));
  EXPECT_EQ(corpus.num_bytes_consumed(), total_bytes(list.files));
}

}  // namespace
}  // namespace colossus::data
