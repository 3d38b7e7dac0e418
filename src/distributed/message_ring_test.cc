#include "distributed/message_ring.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <thread>
#include <vector>

namespace colossus::distributed {
namespace {

constexpr uint64_t kBytes = MessageRing::kHeaderBytes + 100;

struct alignas(64) Line {
  std::byte bytes[64];
};
class Memory {
 public:
  std::span<std::byte> span() { return {lines_[0].bytes, kBytes}; }

 private:
  std::vector<Line> lines_ = std::vector<Line>(kBytes / 64 + 1);
};

TEST(MessageRing, GivesMessagesInOrderRoundTheEnd) {
  Memory memory;
  MessageRing writer(memory.span(), true), reader(memory.span(), false);
  for (int i = 0; i < 50; ++i) {
    const std::string text =
        std::string(static_cast<size_t>(i % 30), 'x') + std::to_string(i);
    ASSERT_TRUE(writer.write(text));
    EXPECT_EQ(reader.peek(), text);
    reader.consume();
  }
  EXPECT_FALSE(reader.peek().has_value());
  EXPECT_EQ(reader.dropped(), 0u);
}

TEST(MessageRing, DropsWhatDoesNotFitAndCountsIt) {
  Memory memory;
  MessageRing ring(memory.span(), true);
  EXPECT_TRUE(ring.write(std::string(60, 'a')));
  EXPECT_FALSE(ring.write(std::string(60, 'b')));
  EXPECT_FALSE(ring.write(std::string(1000, 'c')));
  EXPECT_TRUE(ring.write("d"));
  EXPECT_EQ(ring.dropped(), 2u);
  EXPECT_EQ(ring.peek(), std::string(60, 'a'));
  ring.consume();
  EXPECT_EQ(ring.peek(), "d");
}

TEST(MessageRing, ASuccessorReadsWhatWasNotConsumed) {
  Memory memory;
  MessageRing writer(memory.span(), true);
  writer.write("one");
  writer.write("two");
  {
    MessageRing first(memory.span(), false);
    first.peek();
    first.consume();
    first.peek();  // and dies
  }
  MessageRing second(memory.span(), false);
  EXPECT_EQ(second.peek(), "two");
}

TEST(MessageRing, SkipsWhatMakesNoSense) {
  Memory memory;
  MessageRing ring(memory.span(), true);
  ring.write("message");
  const uint32_t length = 0xffffffff;
  std::memcpy(memory.span().data() + MessageRing::kHeaderBytes, &length, 4);
  EXPECT_FALSE(ring.peek().has_value());
  EXPECT_EQ(ring.dropped(), 1u);
  ring.write("next");
  EXPECT_EQ(ring.peek(), "next");
}

std::vector<std::string> texts(
    const std::vector<MessageRing::Message>& messages) {
  std::vector<std::string> found;
  for (const auto& message : messages) found.push_back(message.text);
  return found;
}

using Texts = std::vector<std::string>;

TEST(MessageRing, GivesSeveralMessagesUpToANumberAndASize) {
  Memory memory;
  MessageRing ring(memory.span(), true);
  for (const char* text : {"one", "two", "three", "four"}) ring.write(text);
  EXPECT_EQ(texts(ring.peek_several(9, 100)),
            (Texts{"one", "two", "three", "four"}));
  EXPECT_EQ(texts(ring.peek_several(2, 100)), (Texts{"one", "two"}));
  EXPECT_EQ(texts(ring.peek_several(9, 6)), (Texts{"one", "two"}));
  EXPECT_EQ(texts(ring.peek_several(9, 7)), (Texts{"one", "two"}));
  EXPECT_EQ(texts(ring.peek_several(9, 0)), Texts{"one"});  // never none
  EXPECT_TRUE(ring.peek_several(0, 100).empty());
  EXPECT_EQ(ring.dropped(), 0u);
}

TEST(MessageRing, GivesMessagesWithoutTextToo) {
  Memory memory;
  MessageRing ring(memory.span(), true);
  ring.write("");
  ring.write("one");
  ring.write("");
  EXPECT_EQ(texts(ring.peek_several(9, 100)), (Texts{"", "one", ""}));
  EXPECT_EQ(ring.dropped(), 0u);
}

TEST(MessageRing, ForgetsWhatEndsBeforeAPlaceThatASuccessorKnowsToo) {
  Memory memory;
  MessageRing writer(memory.span(), true);
  uint64_t last = 0;
  for (int i = 0; i < 50; ++i) {  // several times round the end
    const std::string text = std::to_string(1000 + i);
    writer.write(text);
    writer.write("more");
    MessageRing reader(memory.span(), false);
    const auto messages = reader.peek_several(9, 100);
    ASSERT_EQ(texts(messages), (Texts{text, "more"}));
    ASSERT_GT(messages[0].end, last);
    last = messages[1].end;
    reader.consume_until(messages[0].end);
    MessageRing successor(memory.span(), false);
    const auto left = successor.peek_several(9, 100);
    ASSERT_EQ(texts(left), Texts{"more"});
    ASSERT_EQ(left[0].end, last);
    successor.consume_until(last);
    ASSERT_TRUE(successor.peek_several(9, 100).empty());
  }
}

TEST(MessageRing, ForgetsNothingForAPlaceThatIsNotThere) {
  Memory memory;
  MessageRing ring(memory.span(), true);
  ring.write("one");
  ring.write("two");
  const auto messages = ring.peek_several(9, 100);
  ring.consume_until(messages[1].end + 1);  // beyond the end
  EXPECT_EQ(ring.peek(), "one");
  ring.consume_until(messages[0].end);
  ring.consume_until(messages[0].end);  // said twice
  ring.consume_until(0);
  EXPECT_EQ(ring.peek(), "two");
}

TEST(MessageRing, GivesWhatStandsBeforeTheDamageFirst) {
  Memory memory;
  MessageRing ring(memory.span(), true);
  ring.write("one");
  ring.write("two");
  const uint64_t end = ring.peek_several(1, 0)[0].end;
  const uint32_t length = 0xffffffff;
  std::memcpy(memory.span().data() + MessageRing::kHeaderBytes + end, &length,
              4);
  EXPECT_EQ(texts(ring.peek_several(9, 100)), Texts{"one"});
  EXPECT_EQ(ring.dropped(), 0u);
  ring.consume_until(end);
  EXPECT_TRUE(ring.peek_several(9, 100).empty());
  EXPECT_EQ(ring.dropped(), 1u);
  ring.write("next");
  EXPECT_EQ(texts(ring.peek_several(9, 100)), Texts{"next"});
}

TEST(MessageRing, PassesMessagesBetweenThreads) {
  Memory memory;
  MessageRing writer(memory.span(), true), reader(memory.span(), false);
  constexpr int kMessages = 2000;
  std::thread thread([&] {
    for (int i = 0; i < kMessages;) {
      if (writer.write(std::to_string(i))) {
        ++i;
      } else {
        std::this_thread::yield();
      }
    }
  });
  for (int i = 0; i < kMessages;) {
    const auto text = reader.peek();
    if (!text) {
      std::this_thread::yield();
      continue;
    }
    ASSERT_EQ(*text, std::to_string(i++));
    reader.consume();
  }
  thread.join();
}

}  // namespace
}  // namespace colossus::distributed
