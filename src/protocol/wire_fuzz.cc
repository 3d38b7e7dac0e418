// Any bytes as a message: refused with an error, or they can be written and
// read back, and then are the same.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/error.h"
#include "protocol/coordination.pb.h"
#include "protocol/wire.h"

namespace colossus::protocol {
namespace {

template <typename Read>
void check_word(std::string_view bytes, const Read& read) {
  try {
    const std::string written = to_bytes(read(bytes));
    if (to_bytes(read(written)) != written) std::abort();
  } catch (const CorruptFile&) {
  }
}

template <typename Message>
void check_request(std::string_view bytes) {
  Message message;
  const int size = static_cast<int>(bytes.size());
  if (!message.ParseFromArray(bytes.data(), size)) return;
  try {
    encode(decode(message), message);
    decode(message);
  } catch (const CorruptFile&) {
  }
}

}  // namespace
}  // namespace colossus::protocol

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace colossus;
  using namespace colossus::protocol;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  check_word(bytes, from_agent_bytes);
  check_word(bytes, to_agent_bytes);
  check_request<v1::ResizeAsked>(bytes);
  check_request<v1::StopAsked>(bytes);
  return 0;
}
