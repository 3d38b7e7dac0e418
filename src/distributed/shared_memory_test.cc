#include "distributed/shared_memory.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

namespace colossus::distributed {
namespace {

constexpr uint64_t kMegabyte = uint64_t{1} << 20;

int64_t pages_bytes(const SharedMemory& memory) {
  struct stat status = {};
  ::fstat(memory.fd(), &status);
  return status.st_blocks * 512;
}

TEST(SharedMemory, IsSeenByWhoMapsItsDescriptor) {
  const SharedMemory memory = SharedMemory::create(kMegabyte, "seen");
  *memory.at<int>(4096) = 17;
  const SharedMemory other = SharedMemory::map(::dup(memory.fd()));
  EXPECT_EQ(other.size(), kMegabyte);
  EXPECT_EQ(*other.at<int>(4096), 17);
  EXPECT_EQ(other.inode(), memory.inode());
}

TEST(SharedMemory, IsFoundByNameInAProcessAndAdopted) {
  const SharedMemory memory = SharedMemory::create(kMegabyte, "adopted");
  *memory.at<int>(0) = 18;
  const std::optional<int> fd = find_memfd(::getpid(), "adopted");
  ASSERT_TRUE(fd.has_value());
  const SharedMemory other = SharedMemory::adopt(::getpid(), *fd);
  EXPECT_EQ(*other.at<int>(0), 18);
  EXPECT_FALSE(find_memfd(::getpid(), "adopte").has_value());
}

TEST(SharedMemory, CannotBeCutShort) {
  const SharedMemory memory = SharedMemory::create(kMegabyte, "cut");
  EXPECT_NE(::ftruncate(memory.fd(), 0), 0);
}

TEST(SharedMemory, RefusesDescriptorsThatAreNoneOrCanBeCutShort) {
  EXPECT_THROW(SharedMemory::map(::memfd_create("unsealed", 0)), RunError);
  EXPECT_THROW(SharedMemory::map(::open("/dev/null", O_RDWR)), RunError);
  EXPECT_THROW(SharedMemory::adopt(::getpid(), 999), RunError);
}

TEST(SharedMemory, TakesPagesOnlyWhenAskedAndGivesThemBack) {
  const SharedMemory memory = SharedMemory::create(64 * kMegabyte, "pages");
  EXPECT_EQ(pages_bytes(memory), 0);
  *memory.at<int>(5000) = 19;
  memory.populate(4096 + 17, 2 * kMegabyte);
  EXPECT_GE(pages_bytes(memory), 2 * kMegabyte);
  EXPECT_EQ(*memory.at<int>(5000), 19);
  memory.release(1, 64 * kMegabyte - 1);
  EXPECT_EQ(pages_bytes(memory), 0);
  EXPECT_EQ(*memory.at<int>(5000), 0);
}

TEST(SharedMemory, OfThreadsNeedsNoDescriptor) {
  const SharedMemory memory = SharedMemory::make_private(kMegabyte);
  EXPECT_TRUE(memory.is_private());
  memory.populate(0, kMegabyte);
  *memory.at<int>(8192) = 20;
  memory.release(0, kMegabyte);
  EXPECT_EQ(*memory.at<int>(8192), 0);
}

TEST(SharedMemoryDeathTest, ChecksBounds) {
  const SharedMemory memory = SharedMemory::make_private(4096);
  EXPECT_DEATH(memory.at<float>(0, 1025), "does not hold");
  EXPECT_DEATH(memory.at<float>(8192), "does not hold");
  EXPECT_DEATH(memory.at<float>(4, ~uint64_t{0}), "does not hold");
}

}  // namespace
}  // namespace colossus::distributed
