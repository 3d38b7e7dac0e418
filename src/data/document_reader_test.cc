#include "data/document_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/error.h"
#include "data/utf8.h"

namespace colossus::data {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

using Documents = std::vector<std::string>;

Documents read(const std::string& bytes, const ReadOptions& options = {},
               TextFormat format = TextFormat::kText) {
  const auto source = memory_source(bytes);
  const auto reader = make_document_reader(*source, format, "in.txt", options);
  Documents documents;
  std::string document;
  while (reader->next(document)) documents.push_back(document);
  return documents;
}

Documents read_jsonl(const std::string& bytes,
                     const ReadOptions& options = {}) {
  return read(bytes, options, TextFormat::kJsonl);
}

std::string error_of(const std::string& bytes, TextFormat format,
                     const ReadOptions& options = {}) {
  try {
    read(bytes, options, format);
  } catch (const UserError& error) {
    return error.what();
  }
  return "";
}

TEST(TextReader, TakesAFileAsOneDocumentWithEveryByte) {
  EXPECT_THAT(read("one\r\n\n two"), ElementsAre("one\r\n\n two"));
  EXPECT_THAT(read("\n"), ElementsAre("\n"));
  EXPECT_THAT(read(""), IsEmpty());
}

TEST(TextReader, EndsDocumentsAtSeparatorLines) {
  ReadOptions options;
  options.document_separator = "---";
  EXPECT_THAT(read("---\na\n---\r\n---\nb --- \nc\n---", options),
              ElementsAre("a\n", "b --- \nc\n"));
}

TEST(TextReader, BeginsDocumentsAtLinesThatFit) {
  ReadOptions options;
  options.document_start = "^[A-Za-z]+[0-9]+:1 ";
  EXPECT_THAT(read("Ge1:1 a\nGe1:2 b\nGe2:1 c\nGe2:11 d\n", options),
              ElementsAre("Ge1:1 a\nGe1:2 b\n", "Ge2:1 c\nGe2:11 d\n"));
}

TEST(TextReader, CutsLongDocumentsBehindALineAndLosesNothing) {
  ReadOptions options;
  options.max_document_bytes = kMinDocumentBytes;
  std::string text;
  for (int i = 0; i < 1000; ++i) text += "line " + std::to_string(i) + "\n";
  std::string joined;
  for (const std::string& document : read(text, options)) {
    EXPECT_LE(document.size(), 1024u);
    EXPECT_TRUE(document.ends_with('\n'));
    joined += document;
  }
  EXPECT_EQ(joined, text);
}

TEST(TextReader, CutsALineWithoutEndBetweenCharacters) {
  ReadOptions options;
  options.max_document_bytes = kMinDocumentBytes;
  std::string text = "x";
  for (int i = 0; i < 100'000; ++i) text += "\xE2\x82\xAC";
  std::string joined;
  for (const std::string& document : read(text, options)) {
    EXPECT_LE(document.size(), 1024u);
    EXPECT_EQ(valid_utf8_prefix(document), document.size());
    joined += document;
  }
  EXPECT_EQ(joined, text);
}

TEST(TextReader, NamesFileAndOffsetOfABadByte) {
  const std::string text = "fine\n" + std::string(200'000, 'a') + "\xFF rest";
  const std::string error = error_of(text, TextFormat::kText);
  EXPECT_THAT(error, HasSubstr("in.txt"));
  EXPECT_THAT(error, HasSubstr("0xFF at offset 200005"));
}

TEST(TextReader, KeepsBadBytesWhereToldTo) {
  ReadOptions options;
  options.keep_invalid_utf8 = true;
  EXPECT_THAT(read("a\xFF\xE2\x82", options), ElementsAre("a\xFF\xE2\x82"));
}

TEST(TextReader, RefusesABadRule) {
  ReadOptions options;
  options.document_start = "([";
  EXPECT_THROW(validate(options), UserError);
  options = {};
  options.max_document_bytes = 1;
  EXPECT_THROW(validate(options), UserError);
}

// Gives a text of any length without holding it.
class EndlessSource : public ByteSource {
 public:
  explicit EndlessSource(uint64_t size) : left_(size) {}
  size_t read(char* out, size_t size) override {
    const size_t count = std::min<uint64_t>(left_, size);
    std::fill(out, out + count, 'a');
    left_ -= count;
    return count;
  }
  uint64_t num_bytes_consumed() const override { return 0; }

 private:
  uint64_t left_;
};

TEST(TextReader, HoldsOneDocumentOfAStreamHoweverLongItIs) {
  constexpr uint64_t kSize = uint64_t{300} << 20;
  EndlessSource source(kSize);
  const ReadOptions options;
  const auto reader =
      make_document_reader(source, TextFormat::kText, "endless", options);
  std::string document;
  uint64_t total = 0;
  size_t largest = 0;
  while (reader->next(document)) {
    total += document.size();
    largest = std::max(largest, document.capacity());
  }
  EXPECT_EQ(total, kSize);
  EXPECT_LE(largest, size_t{4} << 20);
}

TEST(JsonlReader, TakesTheTextFieldOfEachLine) {
  EXPECT_THAT(
      read_jsonl("{\"text\": \"a\\n\\u20ac\", \"n\": [1, {\"text\": 2}]}"
                 "\r\n\n  \n{\"id\":1.5,\"text\":\"b\"}"),
      ElementsAre("a\n\xE2\x82\xAC", "b"));
  ReadOptions options;
  options.text_field = "body";
  EXPECT_THAT(read_jsonl("{\"text\":\"a\",\"body\":\"b\"}\n", options),
              ElementsAre("b"));
  EXPECT_THAT(read_jsonl("{\"text\": \"\"}\n"), IsEmpty());
}

TEST(JsonlReader, CutsALongTextAndLosesNothing) {
  ReadOptions options;
  options.max_document_bytes = kMinDocumentBytes;
  const std::string text(200'000, 'a');
  std::string joined;
  for (const auto& part : read_jsonl("{\"text\":\"" + text + "\"}", options)) {
    EXPECT_LE(part.size(), 1024u);
    joined += part;
  }
  EXPECT_EQ(joined, text);
}

TEST(JsonlReader, NamesFileAndLineOfWhatIsWrong) {
  const std::string good = "{\"text\":\"a\"}\n";
  auto error = [&](const std::string& line) {
    return error_of(good + line, TextFormat::kJsonl);
  };
  EXPECT_THAT(error("{\"text\":\"a\""), HasSubstr("in.txt:2: not valid JSON"));
  EXPECT_THAT(error("{\"test\":\"a\"}"), HasSubstr("did you mean 'test'"));
  EXPECT_THAT(error("{\"text\":5}"), HasSubstr("a number, not a string"));
  EXPECT_THAT(error("{\"text\":null}"), HasSubstr("null, not a string"));
  EXPECT_THAT(error("{\"text\":[\"a\"]}"), HasSubstr("an array"));
  EXPECT_THAT(error("[1]"), HasSubstr("not a JSON object"));
  EXPECT_THAT(error("{\"text\":\"a\",\"text\":\"b\"}"), HasSubstr("twice"));
  EXPECT_THAT(error("{\"text\":\"\xFF\"}"), HasSubstr("not valid JSON"));
  EXPECT_THAT(error("{\"text\":\"\\ud800\"}"), HasSubstr("not valid JSON"));
  EXPECT_THAT(error("{\"text\":\"a\"} x"), HasSubstr("not valid JSON"));
  EXPECT_THAT(error("{\"a\":" + std::string(100'000, '[')),
              HasSubstr("nested deeper"));
}

}  // namespace
}  // namespace colossus::data
