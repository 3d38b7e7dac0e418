#include "distributed/message_ring.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <new>

#include "base/error.h"

namespace colossus::distributed {

// Bytes ever written and read; each on a cache line of its own.
struct MessageRing::Header {
  alignas(64) std::atomic<uint64_t> head;
  alignas(64) std::atomic<uint64_t> tail;
  alignas(64) std::atomic<uint64_t> dropped;
};

MessageRing::MessageRing(std::span<std::byte> memory, bool fresh)
    : memory_(memory), capacity_(memory.size() - kHeaderBytes) {
  static_assert(sizeof(Header) <= kHeaderBytes);
  COLOSSUS_CHECK(memory.size() >= kHeaderBytes + 64, "a ring of {} bytes",
                 memory.size());
  if (fresh) new (memory.data()) Header{{0}, {0}, {0}};
}

MessageRing::Header& MessageRing::header() const {
  return *reinterpret_cast<Header*>(memory_.data());
}

void MessageRing::copy_in(uint64_t at, const void* from, uint64_t size) {
  const uint64_t begin = at % capacity_;
  const uint64_t first = std::min(size, capacity_ - begin);
  std::byte* data = memory_.data() + kHeaderBytes;
  std::memcpy(data + begin, from, first);
  std::memcpy(data, static_cast<const std::byte*>(from) + first, size - first);
}

void MessageRing::copy_out(uint64_t at, void* to, uint64_t size) const {
  const uint64_t begin = at % capacity_;
  const uint64_t first = std::min(size, capacity_ - begin);
  const std::byte* data = memory_.data() + kHeaderBytes;
  std::memcpy(to, data + begin, first);
  std::memcpy(static_cast<std::byte*>(to) + first, data, size - first);
}

bool MessageRing::write(std::string_view text) {
  Header& h = header();
  const uint64_t head = h.head.load(std::memory_order_relaxed);
  const uint64_t used = head - h.tail.load(std::memory_order_acquire);
  const auto length = static_cast<uint32_t>(text.size());
  if (text.size() > capacity_ || used > capacity_ ||
      used + sizeof(length) + length > capacity_) {
    h.dropped.fetch_add(1, std::memory_order_relaxed);
    return false;
  }
  copy_in(head, &length, sizeof(length));
  copy_in(head + sizeof(length), text.data(), length);
  // The message counts from here on, whole.
  h.head.store(head + sizeof(length) + length, std::memory_order_release);
  return true;
}

// nullopt: what lies between makes no sense.
std::optional<MessageRing::Message> MessageRing::message_at(
    uint64_t begin, uint64_t head) const {
  uint32_t length = 0;
  if (head - begin > capacity_ || head - begin < sizeof(length)) {
    return std::nullopt;
  }
  copy_out(begin, &length, sizeof(length));
  if (length > head - begin - sizeof(length)) return std::nullopt;
  Message message;
  message.text.resize(length);
  copy_out(begin + sizeof(length), message.text.data(), length);
  message.end = begin + sizeof(length) + length;
  return message;
}

std::optional<std::string> MessageRing::peek() {
  std::vector<Message> first = peek_several(1, 0);
  if (first.empty()) return std::nullopt;
  peeked_bytes_ = first[0].end - header().tail.load(std::memory_order_relaxed);
  return std::move(first[0].text);
}

std::vector<MessageRing::Message> MessageRing::peek_several(size_t most,
                                                            size_t most_bytes) {
  Header& h = header();
  const uint64_t head = h.head.load(std::memory_order_acquire);
  std::vector<Message> found;
  uint64_t at = h.tail.load(std::memory_order_relaxed);
  uint64_t bytes = 0;
  while (at != head && found.size() < most) {
    std::optional<Message> message = message_at(at, head);
    if (!message) {
      if (!found.empty()) return found;  // these first
      h.dropped.fetch_add(1, std::memory_order_relaxed);
      h.tail.store(head, std::memory_order_release);
      return found;
    }
    bytes += message->text.size();
    if (!found.empty() && bytes > most_bytes) return found;
    at = message->end;
    found.push_back(std::move(*message));
  }
  return found;
}

void MessageRing::consume_until(uint64_t end) {
  Header& h = header();
  const uint64_t tail = h.tail.load(std::memory_order_relaxed);
  const uint64_t head = h.head.load(std::memory_order_acquire);
  if (end > tail && end <= head) h.tail.store(end, std::memory_order_release);
}

void MessageRing::consume() {
  COLOSSUS_CHECK(peeked_bytes_ > 0, "no message was looked at");
  header().tail.fetch_add(peeked_bytes_, std::memory_order_release);
  peeked_bytes_ = 0;
}

uint64_t MessageRing::dropped() const {
  return header().dropped.load(std::memory_order_relaxed);
}

}  // namespace colossus::distributed
