// Memory that several processes of a machine map: a memfd, which lives as long
// as one of them holds it. Pages that nobody wrote to cost nothing.
//
// The size is sealed when it is made, so no process can cut it under another's
// feet. What lies in it is to be trusted only after the checks of who opens it.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace colossus::distributed {

class SharedMemory {
 public:
  // Zero-filled. `name` shows in /proc/PID/fd and is what find_memfd looks for.
  // The descriptor is closed on exec: who starts a rank dup2s it to a number
  // that the rank knows. Throws RunError if the system refuses.
  static SharedMemory create(uint64_t bytes, const std::string& name);
  // Takes over a descriptor that was inherited, and closes it in the end.
  // Throws RunError unless it is a memfd whose size is sealed.
  static SharedMemory map(int fd);
  // That of another process, by its number there: how an agent adopts what
  // its predecessor made from a living rank. Throws RunError, as `map` does.
  static SharedMemory adopt(pid_t pid, int fd);
  // Of this process alone: for ranks that are threads of one process.
  static SharedMemory make_private(uint64_t bytes);

  ~SharedMemory();
  SharedMemory(SharedMemory&& other) noexcept;
  SharedMemory& operator=(SharedMemory&& other) noexcept;

  uint64_t size() const { return size_; }
  int fd() const { return fd_; }  // -1: private
  bool is_private() const { return fd_ < 0; }
  uint64_t inode() const { return inode_; }  // 0: private; names the memfd

  // `count` elements from byte `offset`; a CHECK that they lie inside.
  template <typename T>
  T* at(uint64_t offset, uint64_t count = 1) const {
    return static_cast<T*>(range(offset, count, sizeof(T), alignof(T)));
  }

  // Takes real pages for a range now, so that no step pays for it. Contents
  // stay. Throws RunError if memory is short.
  void populate(uint64_t offset, uint64_t bytes) const;
  // Gives the pages that lie wholly in a range back; they read as zeros then.
  void release(uint64_t offset, uint64_t bytes) const;

 private:
  SharedMemory() = default;
  void* range(uint64_t offset, uint64_t count, uint64_t size,
              uint64_t alignment) const;
  void map_whole();

  std::byte* data_ = nullptr;
  uint64_t size_ = 0;
  uint64_t inode_ = 0;
  int fd_ = -1;
};

// The number under which process `pid` holds the memfd called `name`, if so.
std::optional<int> find_memfd(pid_t pid, const std::string& name);

}  // namespace colossus::distributed
