#include "data/token_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <numeric>

#include "base/error.h"
#include "base/file_system_fault.h"
#include "base/random.h"
#include "base/temporary_folder.h"
#include "data/test_text.h"
#include "data/token_file_writer.h"

namespace colossus::data {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr Hash128 kHash{12, 34};

std::vector<int32_t> tokens_of(int64_t document, int64_t count, int64_t vocab) {
  std::vector<int32_t> tokens(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) {
    tokens[i] = static_cast<int32_t>(random_bits(1, document, i) % vocab);
  }
  return tokens;
}

void write_documents(FileSystem& fs, const std::string& path, int64_t vocab,
                     int64_t num_documents, int64_t num_tokens) {
  TokenFileWriter writer(fs, path, vocab, kHash);
  for (int64_t i = 0; i < num_documents; ++i) {
    writer.add_document(tokens_of(i, num_tokens + i, vocab), 3 * i);
  }
  writer.finish();
}

std::string small_file(int64_t vocab) {
  const TemporaryFolder folder;
  write_documents(real_file_system(), folder / "t", vocab, 3, 5);
  return read_file(folder / "t");
}

void open_and_verify(const std::string& bytes) {
  const TokenFile file(std::as_bytes(std::span(bytes)), "some.tokens");
  file.verify();
}

std::string error_of(const std::string& bytes) {
  try {
    open_and_verify(bytes);
  } catch (const CorruptFile& error) {
    return error.what();
  }
  return "";
}

// Kilobytes of a mapped file that count as this process's memory.
int64_t resident_kilobytes(const std::string& path) {
  std::ifstream maps("/proc/self/smaps");
  bool inside = false;
  for (std::string line; std::getline(maps, line);) {
    if (line.ends_with(path)) inside = true;
    if (inside && line.starts_with("Rss:")) return std::stoll(line.substr(4));
  }
  return -1;
}

TEST(TokenFile, HoldsLittleOfALargeFileInMemoryWhileAllOfItIsRead) {
  const TemporaryFolder folder;
  constexpr int64_t kTokens = 4 << 20;  // 8 MiB
  write_documents(real_file_system(), folder / "t", 1000, 1, kTokens);
  const TokenFile file(folder / "t");
  std::vector<int32_t> window(128);
  for (const bool again : {false, true}) {
    for (int64_t i = 0; i + 128 <= kTokens; i += 4096) file.read(i, window);
    const int64_t resident = resident_kilobytes(folder / "t");
    EXPECT_GE(resident, 0);
    EXPECT_LE(resident, 2048) << again;
  }
  file.verify();
  EXPECT_LE(resident_kilobytes(folder / "t"), 2048);
}

TEST(TokenFile, GivesBackDocumentsInBothWidths) {
  for (const int64_t vocab : {1000, 65536, 65537, 200'000}) {
    const std::string bytes = small_file(vocab);
    const TokenFile file(std::as_bytes(std::span(bytes)), "t");
    EXPECT_EQ(file.info().token_width, vocab <= 65536 ? 2 : 4);
    EXPECT_EQ(file.info().vocab_size, vocab);
    EXPECT_EQ(file.info().num_documents, 3);
    EXPECT_EQ(file.info().num_tokens, 5 + 6 + 7);
    EXPECT_EQ(file.info().num_text_bytes, 0 + 3 + 6);
    EXPECT_EQ(file.info().tokenizer_hash, kHash);
    for (int64_t i = 0; i < 3; ++i) {
      const DocumentBounds bounds = file.document(i);
      std::vector<int32_t> tokens(static_cast<size_t>(bounds.num_tokens()));
      file.read(bounds.token_begin, tokens);
      EXPECT_EQ(tokens, tokens_of(i, 5 + i, vocab));
      EXPECT_EQ(bounds.num_text_bytes, 3 * i);
    }
    file.verify();
  }
}

TEST(TokenFile, RefusesAFlippedBitAnywhere) {
  for (const int64_t vocab : {1000, 70'000}) {
    const std::string good = small_file(vocab);
    ASSERT_EQ(error_of(good), "");
    for (size_t bit = 0; bit < good.size() * 8; ++bit) {
      std::string bytes = good;
      bytes[bit / 8] ^= static_cast<char>(1 << (bit % 8));
      const std::string error = error_of(bytes);
      ASSERT_THAT(error, HasSubstr("some.tokens")) << "bit " << bit;
      ASSERT_THAT(error, HasSubstr("offset")) << "bit " << bit;
    }
  }
}

TEST(TokenFile, RefusesAFileCutAnywhereOrWithMoreBehindIt) {
  const std::string good = small_file(1000);
  for (size_t size = 0; size < good.size(); ++size) {
    ASSERT_NE(error_of(good.substr(0, size)), "") << size;
  }
  EXPECT_NE(error_of(good + "x"), "");
  EXPECT_NE(error_of(good + good), "");
}

TEST(TokenFile, NamesTheDamagedBlockOfALargeFileWhenItIsTouched) {
  const TemporaryFolder folder;
  write_documents(real_file_system(), folder / "t", 1000, 5, 300'000);
  std::string bytes = read_file(folder / "t");
  ASSERT_EQ(error_of(bytes), "");
  bytes[(2 << 20) + 77] ^= 1;
  const TokenFile file(std::as_bytes(std::span(bytes)), "t");
  std::vector<int32_t> tokens(100);
  file.read(0, tokens);
  file.read(((1 << 20) - 64) / 2, tokens);  // across two good blocks
  try {
    file.read(((2 << 20) + 100) / 2, tokens);
    FAIL();
  } catch (const CorruptFile& error) {
    EXPECT_THAT(error.what(), HasSubstr("offset 2097152"));
  }
}

TEST(TokenFile, RefusesATokenThatIsNotInTheVocabulary) {
  const TemporaryFolder folder;
  TokenFileWriter writer(real_file_system(), folder / "t", 10, kHash);
  writer.add_document(std::vector<int32_t>{1, 10, 2}, 1);
  writer.finish();
  const TokenFile file(folder / "t");
  EXPECT_THROW(file.verify(), CorruptFile);
}

TEST(TokenFile, HoldsNoDocumentToo) {
  const TemporaryFolder folder;
  write_documents(real_file_system(), folder / "t", 1000, 0, 0);
  const TokenFile file(folder / "t");
  EXPECT_EQ(file.info().num_documents, 0);
  file.verify();
}

TEST(TokenFileWriter, LeavesTheOldFileOrTheNewOneWhereverItIsKilled) {
  for (const Fault fault : {Fault::kKill, Fault::kPowerCut}) {
    bool struck = true;
    for (int64_t n = 0; struck; ++n) {
      const TemporaryFolder folder;
      write_documents(real_file_system(), folder / "t", 1000, 2, 5);
      real_file_system().sync_directory(folder.path());
      FaultFileSystem fs(real_file_system(), fault, n);
      try {
        write_documents(fs, folder / "t", 1000, 4, 200'000);
      } catch (const SimulatedKill&) {
      }
      struck = fs.struck();
      const TokenFile file(folder / "t");
      file.verify();
      EXPECT_THAT(file.info().num_documents, testing::AnyOf(2, 4));
      EXPECT_TRUE(struck || file.info().num_documents == 4);
      // And a later writer is not in the way of what was left behind.
      write_documents(real_file_system(), folder / "t", 1000, 1, 5);
      EXPECT_THAT(list_directory(folder.path()), ElementsAre("t"));
    }
  }
}

TEST(TokenFileWriter, SaysThatTheDiskIsFull) {
  const TemporaryFolder folder;
  FaultFileSystem fs(real_file_system(), Fault::kDiskFull, 2);
  EXPECT_THROW(write_documents(fs, folder / "t", 1000, 4, 500'000), RunError);
}

}  // namespace
}  // namespace colossus::data
