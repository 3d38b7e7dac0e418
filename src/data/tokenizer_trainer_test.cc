#include "data/tokenizer_trainer.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "data/tokenizer.h"

namespace colossus::data {
namespace {

std::string character(int code_point) {  // of three bytes
  return {static_cast<char>(0xE0 | (code_point >> 12)),
          static_cast<char>(0x80 | ((code_point >> 6) & 0x3F)),
          static_cast<char>(0x80 | (code_point & 0x3F))};
}

TEST(TrainTokenizer, IsDeterministicAndIgnoresHowTheTextIsCutAtLines) {
  const std::string a = "the river and the sea\n";
  const std::string b = "the sea and the river and the hills\n";
  const std::string model = train_tokenizer({a, b}, 320);
  EXPECT_EQ(train_tokenizer({a, b}, 320), model);
  EXPECT_EQ(train_tokenizer({a + b}, 320), model);
}

TEST(TrainTokenizer, LearnsFrequentWords) {
  const Tokenizer tokenizer = Tokenizer::from_bytes(
      train_tokenizer({"the river, the river, the sea, the river"}, 320), "t");
  EXPECT_EQ(tokenizer.encode(" river").size(), 1u);
}

TEST(TrainTokenizer, SplitsNumbersIntoDigits) {
  const Tokenizer tokenizer = Tokenizer::from_bytes(
      train_tokenizer({"1234 1234 1234 1234 and more of it"}, 320), "t");
  EXPECT_EQ(tokenizer.encode("1234").size(), 4u);
}

TEST(TrainTokenizer, LeavesRareCharactersToBytesWhereThereAreTooMany) {
  std::string text = "common words common words common words ";
  for (int i = 0; i < 2000; ++i) text += character(0x4E00 + i) + " ";
  const Tokenizer tokenizer =
      Tokenizer::from_bytes(train_tokenizer({text}, 400), "t");
  EXPECT_LE(tokenizer.vocab_size(), 400);
  EXPECT_EQ(tokenizer.decode(tokenizer.encode(text)), text);
  EXPECT_LE(tokenizer.encode(" common").size(), 3u);
}

TEST(TrainTokenizer, NamesTheBoundsOfTheVocabulary) {
  EXPECT_THROW(train_tokenizer({"text"}, kMinVocabSize - 1), UserError);
  EXPECT_THROW(train_tokenizer({"text"}, kMaxVocabSize + 1), UserError);
  EXPECT_THROW(train_tokenizer({"\n\t\n"}, 300), UserError);
  EXPECT_THROW(train_tokenizer({}, 300), UserError);
}

TEST(TrainTokenizer, TakesBytesThatAreNoText) {
  const std::string text = "words \xFF\xFE words\x01words \xE2\x96\x81 words";
  const Tokenizer tokenizer =
      Tokenizer::from_bytes(train_tokenizer({text}, 300), "t");
  EXPECT_EQ(tokenizer.decode(tokenizer.encode(text)), text);
}

TEST(TextSample, KeepsAllThatFits) {
  TextSample sample(1000);
  sample.add("one", 0);
  sample.add("two", 1);
  EXPECT_EQ(sample.texts(), (std::vector<std::string_view>{"one", "two"}));
}

TEST(TextSample, StaysWithinItsBoundAndTakesFromEverywhere) {
  TextSample sample(100'000);
  size_t largest = 0;
  for (int i = 0; i < 4000; ++i) {
    sample.add(std::string(1000, static_cast<char>('a' + i / 1000)), i);
    largest = std::max(largest, sample.num_bytes());
  }
  EXPECT_LE(largest, 100'000u);
  EXPECT_GE(sample.num_bytes(), 25'000u);
  std::string first_letters;
  for (const auto text : sample.texts()) first_letters += text[0];
  for (const char c : {'a', 'b', 'c', 'd'}) {
    EXPECT_NE(first_letters.find(c), std::string::npos);
  }
}

TEST(TextSample, DropsADocumentWhole) {
  TextSample sample(1'000'000);
  sample.add(std::string(200'000, 'x'), 0);
  sample.add("kept", 1);
  sample.remove_document(0);
  EXPECT_EQ(sample.texts(), (std::vector<std::string_view>{"kept"}));
  EXPECT_EQ(sample.num_bytes(), 4u);
}

}  // namespace
}  // namespace colossus::data
