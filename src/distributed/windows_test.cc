#include "distributed/windows.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <set>

#include "base/error.h"

namespace colossus::distributed {
namespace {

constexpr WindowsLayout kLayout = {3, 2, 1500};

TEST(Windows, LieApartEachAtTheStartOfAPage) {
  const Windows windows(SharedMemory::make_private(Windows::bytes(kLayout)),
                        kLayout);
  std::set<float*> starts;
  for (int slot = 0; slot < 3; ++slot) {
    starts.insert(windows.updated(slot));
    for (int block = 0; block < 2; ++block) {
      starts.insert(windows.gradient(slot, block));
    }
  }
  EXPECT_EQ(starts.size(), 9u);
  float* before = nullptr;
  for (float* start : starts) {
    EXPECT_EQ(reinterpret_cast<uintptr_t>(start) % 4096, 0u);
    EXPECT_TRUE(before == nullptr || start - before >= 1500);
    before = start;
  }
}

TEST(Windows, GiveBackTheirSlotsPagesAlone) {
  const Windows windows(
      SharedMemory::create(Windows::bytes(kLayout), "windows"), kLayout);
  for (int slot = 0; slot < 3; ++slot) {
    windows.populate(slot, 2, true);
    windows.gradient(slot, 1)[1499] = 5;
  }
  windows.release(1);
  EXPECT_EQ(windows.gradient(0, 1)[1499], 5);
  EXPECT_EQ(windows.gradient(1, 1)[1499], 0);
  EXPECT_EQ(windows.gradient(2, 1)[1499], 5);
}

TEST(Windows, RefuseMemoryThatIsTooShort) {
  EXPECT_THROW(
      Windows(SharedMemory::make_private(Windows::bytes(kLayout) - 4096),
              kLayout),
      RunError);
}

}  // namespace
}  // namespace colossus::distributed
