#include "distributed/shared_memory.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

#include "base/error.h"

namespace colossus::distributed {
namespace {

constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW;

[[noreturn]] void refuse(const char* doing, int error) {
  throw run_error(
      "cannot {} shared memory: {}; free some memory or start "
      "fewer ranks",
      doing, std::strerror(error));
}

uint64_t page_bytes() { return static_cast<uint64_t>(::sysconf(_SC_PAGESIZE)); }

}  // namespace

SharedMemory SharedMemory::create(uint64_t bytes, const std::string& name) {
  SharedMemory memory;
  memory.fd_ = ::memfd_create(name.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (memory.fd_ < 0) refuse("make", errno);
  if (::ftruncate(memory.fd_, static_cast<off_t>(bytes)) != 0 ||
      ::fcntl(memory.fd_, F_ADD_SEALS, kSeals | F_SEAL_SEAL) != 0) {
    refuse("size", errno);
  }
  memory.map_whole();
  return memory;
}

SharedMemory SharedMemory::map(int fd) {
  SharedMemory memory;
  memory.fd_ = fd;
  const int seals = ::fcntl(fd, F_GET_SEALS);
  if (seals < 0 || (seals & kSeals) != kSeals) {
    throw run_error(
        "descriptor {} is no shared memory of Colossus; ranks are started by "
        "an agent, which hands it over",
        fd);
  }
  ::fcntl(fd, F_SETFD, FD_CLOEXEC);
  memory.map_whole();
  return memory;
}

SharedMemory SharedMemory::adopt(pid_t pid, int fd) {
  const std::string path = fmt::format("/proc/{}/fd/{}", pid, fd);
  const int own = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (own < 0) {
    throw run_error("cannot open the shared memory {}: {}; is process {} gone?",
                    path, std::strerror(errno), pid);
  }
  return map(own);
}

SharedMemory SharedMemory::make_private(uint64_t bytes) {
  SharedMemory memory;
  void* data = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (data == MAP_FAILED) refuse("map", errno);
  memory.data_ = static_cast<std::byte*>(data);
  memory.size_ = bytes;
  return memory;
}

void SharedMemory::map_whole() {
  struct stat status = {};
  if (::fstat(fd_, &status) != 0) refuse("look at", errno);
  const auto bytes = static_cast<uint64_t>(status.st_size);
  void* data =
      ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
  if (data == MAP_FAILED) refuse("map", errno);
  data_ = static_cast<std::byte*>(data);
  size_ = bytes;
  inode_ = status.st_ino;
}

SharedMemory::~SharedMemory() {
  if (data_ != nullptr) ::munmap(data_, size_);
  if (fd_ >= 0) ::close(fd_);
}

SharedMemory::SharedMemory(SharedMemory&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      inode_(other.inode_),
      fd_(std::exchange(other.fd_, -1)) {}

SharedMemory& SharedMemory::operator=(SharedMemory&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(inode_, other.inode_);
  std::swap(fd_, other.fd_);
  return *this;
}

void* SharedMemory::range(uint64_t offset, uint64_t count, uint64_t size,
                          uint64_t alignment) const {
  COLOSSUS_CHECK(offset <= size_ && count <= (size_ - offset) / size &&
                     offset % alignment == 0,
                 "{} x {} bytes at {} of {}", count, size, offset, size_);
  return data_ + offset;
}

void SharedMemory::populate(uint64_t offset, uint64_t bytes) const {
  if (bytes == 0) return;
  const uint64_t skipped = offset % page_bytes();
  std::byte* begin = at<std::byte>(offset, bytes) - skipped;
  if (::madvise(begin, bytes + skipped, MADV_POPULATE_WRITE) != 0) {
    refuse("take pages for", errno);
  }
}

void SharedMemory::release(uint64_t offset, uint64_t bytes) const {
  const uint64_t page = page_bytes();
  const uint64_t begin = (offset + page - 1) / page * page;
  const uint64_t end = (offset + bytes) / page * page;
  if (end <= begin) return;
  std::byte* data = at<std::byte>(begin, end - begin);
  // A memfd frees the pages of all who map it.
  const int advice = is_private() ? MADV_DONTNEED : MADV_REMOVE;
  if (::madvise(data, end - begin, advice) != 0) refuse("give back", errno);
}

std::optional<int> find_memfd(pid_t pid, const std::string& name) {
  const std::string folder = fmt::format("/proc/{}/fd", pid);
  const std::unique_ptr<DIR, int (*)(DIR*)> open(::opendir(folder.c_str()),
                                                 ::closedir);
  if (open == nullptr) return std::nullopt;
  const std::string wanted = "/memfd:" + name + " (deleted)";
  while (const dirent* entry = ::readdir(open.get())) {
    char target[256];
    const std::string link = folder + "/" + entry->d_name;
    const ssize_t length = ::readlink(link.c_str(), target, sizeof target);
    if (length > 0 &&
        std::string(target, static_cast<size_t>(length)) == wanted) {
      return std::atoi(entry->d_name);
    }
  }
  return std::nullopt;
}

}  // namespace colossus::distributed
