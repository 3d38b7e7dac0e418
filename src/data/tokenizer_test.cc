#include "data/tokenizer.h"

#include <gtest/gtest.h>
#include <sentencepiece_processor.h>
#include <sentencepiece_trainer.h>

#include <random>
#include <thread>

#include "base/error.h"
#include "data/tokenizer_trainer.h"
#include "data/utf8.h"

namespace colossus::data {
namespace {

const char kText[] =
    "Ab1:1 In the old days the river ran down to the sea.\n"
    "Ab1:2 And the people went down to the river, and they drank.\n"
    "Ab1:3 There was a king over the people,  and the king was old.\n"
    "\tint main() {\n\t    return 12345;\n\t}\n"
    "    indented words    and the words went on and on and on\n"
    "caf\xC3\xA9 na\xC3\xAFve \xE6\x97\xA5\xE6\x9C\xAC\xE8\xAA\x9E text\n";

const Tokenizer& small_tokenizer() {
  static const Tokenizer tokenizer =
      Tokenizer::from_bytes(train_tokenizer({kText}, 400), "test model");
  return tokenizer;
}

void expect_round_trip(const std::string& text) {
  const Tokenizer& tokenizer = small_tokenizer();
  ASSERT_EQ(tokenizer.decode(tokenizer.encode(text)), text);
}

// Bytes of a kind that finds the seams: words, spaces, signs, broken UTF-8.
std::string random_text(std::mt19937& random) {
  const std::string parts[] = {"the",      " ",
                               "  ",       "\n",
                               "\t",       "\xE2\x96\x81",
                               "\xE2",     "\x96",
                               "<s>",      "</s>",
                               "<0x41>",   "12",
                               "\xC3\xA9", "\xF0\x9F\x98\x80",
                               "river",    "\r\n"};
  std::string text;
  const int num_parts = static_cast<int>(random() % 24);
  for (int i = 0; i < num_parts; ++i) {
    if (random() % 3 == 0) {
      text += static_cast<char>(random());
    } else {
      text += parts[random() % std::size(parts)];
    }
  }
  return text;
}

TEST(Tokenizer, GivesBackEveryRandomByteString) {
  std::mt19937 random(1);
  for (int i = 0; i < 4000; ++i) expect_round_trip(random_text(random));
}

TEST(Tokenizer, GivesBackEveryByteAndThePlacesWhereItsFormatIsTricky) {
  for (int byte = 0; byte < 256; ++byte) {
    expect_round_trip(std::string(1, static_cast<char>(byte)));
  }
  expect_round_trip("");
  expect_round_trip(" ");
  expect_round_trip(" the");
  expect_round_trip("the ");
  expect_round_trip(
      "a\xE2\x96\x81"
      "b \xE2\x96\x81 c");
  expect_round_trip(std::string("a\0b\0\0", 5));
  expect_round_trip(std::string(100000, ' '));
  expect_round_trip(std::string(100000, 'x'));
  expect_round_trip(
      "\xEF\xBB\xBF"
      "a\r\nb\xEF\xBC\xA1");
}

TEST(Tokenizer, EncodesTextInPartsAsSentencePieceDoesAtOnce) {
  sentencepiece::SentencePieceProcessor processor;
  ASSERT_TRUE(
      processor.LoadFromSerializedProto(small_tokenizer().model_bytes()).ok());
  std::mt19937 random(2);
  for (int i = 0; i < 500; ++i) {
    const std::string text = random_text(random) + kText;
    if (valid_utf8_prefix(text) < text.size()) continue;
    if (text.find("\xE2\x96\x81") != std::string::npos) continue;
    std::vector<int> expected;
    ASSERT_TRUE(processor.Encode(text, &expected).ok());
    ASSERT_EQ(small_tokenizer().encode(text), expected) << text;
  }
}

TEST(Tokenizer, WritesANewlineATabAndARunOfSpacesWithFewTokens) {
  EXPECT_EQ(small_tokenizer().encode("\n").size(), 1u);
  EXPECT_EQ(small_tokenizer().encode("\t").size(), 1u);
  EXPECT_EQ(small_tokenizer().encode("river\nriver").size(),
            2 * small_tokenizer().encode("river").size() + 1);
  EXPECT_LE(small_tokenizer().encode("    ").size(), 2u);
}

TEST(Tokenizer, NeverMakesSpecialTokensFromText) {
  const Tokenizer& tokenizer = small_tokenizer();
  EXPECT_NE(tokenizer.bos(), tokenizer.eos());
  for (const int32_t id : tokenizer.encode("<s></s><unk>a<begin><end>")) {
    EXPECT_NE(id, tokenizer.bos());
    EXPECT_NE(id, tokenizer.eos());
    EXPECT_FALSE(tokenizer.token_bytes(id).empty());
  }
  EXPECT_EQ(tokenizer.token_bytes(tokenizer.bos()), "");
  EXPECT_EQ(tokenizer.token_bytes(tokenizer.eos()), "");
}

TEST(Tokenizer, RefusesATokenOutOfItsVocabulary) {
  const Tokenizer& tokenizer = small_tokenizer();
  const auto size = static_cast<int32_t>(tokenizer.vocab_size());
  EXPECT_THROW(tokenizer.decode(std::vector<int32_t>{size}), UserError);
  EXPECT_THROW(tokenizer.decode(std::vector<int32_t>{-1}), UserError);
}

TEST(Tokenizer, EncodesTheSameInSeveralThreads) {
  const std::vector<int32_t> expected = small_tokenizer().encode(kText);
  std::vector<std::vector<int32_t>> results(4);
  std::vector<std::thread> threads;
  for (auto& result : results) {
    threads.emplace_back(
        [&result] { result = small_tokenizer().encode(kText); });
  }
  for (auto& thread : threads) thread.join();
  for (const auto& result : results) EXPECT_EQ(result, expected);
}

TEST(Tokenizer, IsKnownByTheHashOfItsModel) {
  const Tokenizer again =
      Tokenizer::from_bytes(small_tokenizer().model_bytes(), "copy");
  EXPECT_EQ(again.hash(), small_tokenizer().hash());
  const Tokenizer other =
      Tokenizer::from_bytes(train_tokenizer({kText}, 390), "other");
  EXPECT_NE(other.hash(), small_tokenizer().hash());
}

std::string message_of(const std::string& model) {
  try {
    Tokenizer::from_bytes(model, "some.model");
  } catch (const UserError& error) {
    return error.what();
  }
  return "";
}

TEST(Tokenizer, RefusesWhatIsNoModelByName) {
  EXPECT_NE(message_of("not a model").find("some.model"), std::string::npos);
  EXPECT_NE(message_of("").find("some.model"), std::string::npos);
  const std::string& model = small_tokenizer().model_bytes();
  EXPECT_NE(message_of(model.substr(0, model.size() / 2)), "");
}

// A model as others train them; `options` on top of SentencePiece's defaults.
class ListIterator : public sentencepiece::SentenceIterator {
 public:
  bool done() const override { return next_ >= lines_.size(); }
  void Next() override { ++next_; }
  const std::string& value() const override { return lines_[next_]; }
  sentencepiece::util::Status status() const override { return {}; }

 private:
  std::vector<std::string> lines_ = {"the river ran down to the sea",
                                     "the people drank at the river",
                                     "the king was old and so was the sea"};
  size_t next_ = 0;
};

std::string foreign_model(
    std::unordered_map<std::string, std::string> options) {
  options.insert({{"hard_vocab_limit", "false"}, {"minloglevel", "3"}});
  ListIterator lines;
  std::string model;
  const auto status =
      sentencepiece::SentencePieceTrainer::Train(options, &lines, &model);
  EXPECT_TRUE(status.ok()) << status.ToString();
  return model;
}

TEST(Tokenizer, TakesAModelThatWouldNormaliseAndKeepsEveryByteAllTheSame) {
  for (const std::string type : {"bpe", "unigram", "char"}) {
    for (const std::string suffix : {"false", "true"}) {
      const Tokenizer tokenizer = Tokenizer::from_bytes(
          foreign_model({{"model_type", type},
                         {"vocab_size", "300"},
                         {"byte_fallback", "true"},
                         {"treat_whitespace_as_suffix", suffix}}),
          "foreign");
      std::mt19937 random(3);
      for (int i = 0; i < 200; ++i) {
        const std::string text = random_text(random);
        ASSERT_EQ(tokenizer.decode(tokenizer.encode(text)), text) << type;
      }
    }
  }
}

TEST(Tokenizer, AppendsBeginAndEndToAModelWithoutThem) {
  const Tokenizer tokenizer =
      Tokenizer::from_bytes(foreign_model({{"model_type", "bpe"},
                                           {"vocab_size", "300"},
                                           {"byte_fallback", "true"},
                                           {"bos_id", "-1"},
                                           {"eos_id", "-1"}}),
                            "foreign");
  EXPECT_EQ(tokenizer.bos(), tokenizer.vocab_size() - 2);
  EXPECT_EQ(tokenizer.eos(), tokenizer.vocab_size() - 1);
}

TEST(Tokenizer, RefusesAModelWithoutBytePiecesAndSaysWhy) {
  const std::string message =
      message_of(foreign_model({{"model_type", "bpe"}, {"vocab_size", "40"}}));
  EXPECT_NE(message.find("byte_fallback"), std::string::npos) << message;
}

}  // namespace
}  // namespace colossus::data
