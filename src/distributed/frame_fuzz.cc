// libFuzzer: any bytes on a connection of a view are taken or refused with a
// RunError; nothing is written outside the places that are meant for it. Marks
// and runs are put right, so that more than headers is tried.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "base/error.h"
#include "distributed/frame.h"
#include "distributed/inbox.h"

namespace {

using namespace colossus;
using namespace colossus::distributed;

constexpr Hash128 kRun = {1, 2};
constexpr int64_t kView = 1;
constexpr int64_t kSliceCount = 4;

config::View small_view() {
  config::View view;
  view.number = kView;
  view.members = {{0, 0, {}}, {1, 1, {}}, {2, 1, {}}};
  view.placement.owner_S = {0, 0, 1, 2};
  view.placement.backup_S = {1, 2, 0, 0};
  return view;
}

// The next header of the stream, with what fuzzing would hardly guess.
void mend(std::span<uint8_t> bytes) {
  if (bytes.size() < kFrameHeaderBytes) return;
  FrameHeader good;
  good.run = kRun;
  good.view = kView;
  good.sender = 1;
  const FrameHeaderBytes model = encode_frame_header(good);
  std::memcpy(bytes.data(), model.data(), 6);           // mark, version
  std::memcpy(bytes.data() + 8, model.data() + 8, 32);  // run to sender
}

void feed(std::span<uint8_t> stream, bool mended) {
  const ExchangePlan plan(small_view(), 0);
  Lanes lanes(plan, kSliceCount);
  Round round{0};
  Inbox inbox(plan, kView, 1, lanes, round);
  FrameReader reader(kRun, inbox);
  bool at_header = true;
  while (!stream.empty()) {
    if (mended && at_header) mend(stream);
    const std::span<std::byte> space = reader.space();
    const size_t count = std::min(space.size(), stream.size());
    std::memcpy(space.data(), stream.data(), count);
    at_header = reader.filled(count);
    round = std::max<uint64_t>(round, inbox.reached());
    stream = stream.subspan(count);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  std::vector<uint8_t> stream(data + 1, data + size);
  try {
    feed(stream, data[0] % 4 != 0);
  } catch (const colossus::RunError&) {
  }
  return 0;
}
