#include "base/file_system.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "base/error.h"

namespace colossus {
namespace {

// Owns a file descriptor.
class Descriptor {
 public:
  Descriptor(const std::string& path, int flags, mode_t mode = 0)
      : fd_(::open(path.c_str(), flags | O_CLOEXEC, mode)) {
    if (fd_ < 0) throw_file_error("open", path, errno);
  }
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

void sync_descriptor(int fd, const std::string& path) {
  while (::fsync(fd) != 0) {
    if (errno != EINTR) throw_file_error("sync", path, errno);
  }
}

class RealWritableFile : public WritableFile {
 public:
  RealWritableFile(std::string path, int flags)
      : path_(std::move(path)), fd_(path_, flags, 0644) {}

  using WritableFile::append;
  void append(std::span<const std::byte> bytes) override {
    while (!bytes.empty()) {
      const ssize_t written = ::write(fd_.get(), bytes.data(), bytes.size());
      if (written < 0) {
        if (errno == EINTR) continue;
        throw_file_error("write", path_, errno);
      }
      bytes = bytes.subspan(static_cast<size_t>(written));
    }
  }

  void sync() override { sync_descriptor(fd_.get(), path_); }

  void close() override {
    const int fd = fd_.release();
    // On Linux the descriptor is gone even when close is interrupted.
    if (fd >= 0 && ::close(fd) != 0 && errno != EINTR) {
      throw_file_error("close", path_, errno);
    }
  }

 private:
  const std::string path_;
  Descriptor fd_;
};

class RealFileSystem : public FileSystem {
 public:
  std::unique_ptr<WritableFile> create(const std::string& path) override {
    return std::make_unique<RealWritableFile>(path,
                                              O_WRONLY | O_CREAT | O_TRUNC);
  }

  std::unique_ptr<WritableFile> open_append(const std::string& path) override {
    return std::make_unique<RealWritableFile>(path,
                                              O_WRONLY | O_CREAT | O_APPEND);
  }

  void rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) != 0) {
      throw_file_error("rename to '" + to + "' the file", from, errno);
    }
  }

  void remove_file(const std::string& path) override {
    if (::unlink(path.c_str()) != 0) throw_file_error("remove", path, errno);
  }

  void remove_tree(const std::string& path) override {
    std::error_code error;
    std::filesystem::remove_all(path, error);
    if (error) throw_file_error("remove", path, error.value());
  }

  void create_directories(const std::string& path) override {
    std::error_code error;
    std::filesystem::create_directories(path, error);
    if (error) throw_file_error("create the folder", path, error.value());
  }

  void sync_directory(const std::string& path) override {
    const Descriptor folder(path, O_RDONLY | O_DIRECTORY);
    while (::fsync(folder.get()) != 0) {
      if (errno == EINVAL) return;  // a file system that has no such thing
      if (errno != EINTR) throw_file_error("sync", path, errno);
    }
  }

  void truncate(const std::string& path, uint64_t size) override {
    const uint64_t now = file_size(path);
    COLOSSUS_CHECK(size <= now, "truncate '{}' of {} bytes to {}", path, now,
                   size);
    if (::truncate(path.c_str(), static_cast<off_t>(size)) != 0) {
      throw_file_error("truncate", path, errno);
    }
  }
};

struct stat stat_of(const std::string& path) {
  struct stat info;
  if (::stat(path.c_str(), &info) != 0) throw_file_error("read", path, errno);
  return info;
}

// What a person can do about it; "" where the reason says all.
const char* remedy(int error_number) {
  switch (error_number) {
    case ENOENT:
    case ENOTDIR:
      return "; check the path";
    case EACCES:
    case EPERM:
      return "; change its permissions or choose another folder";
    case EROFS:
      return "; choose a folder that can be written to";
    case EISDIR:
      return "; name a file";
    case ENAMETOOLONG:
      return "; choose a shorter name";
    default:
      return nullptr;
  }
}

}  // namespace

void throw_file_error(const std::string& doing, const std::string& path,
                      int error_number) {
  const std::string reason = std::generic_category().message(error_number);
  if (error_number == ENOSPC || error_number == EDQUOT) {
    throw run_error("disk full: cannot {} '{}' ({}); free some space there",
                    doing, path, reason);
  }
  if (const char* what_to_do = remedy(error_number)) {
    throw user_error("cannot {} '{}': {}{}", doing, path, reason, what_to_do);
  }
  throw run_error("cannot {} '{}': {}", doing, path, reason);
}

MappedFile::MappedFile(const std::string& path) : path_(path) {
  const Descriptor file(path, O_RDONLY);
  struct stat info;
  if (::fstat(file.get(), &info) != 0) throw_file_error("read", path, errno);
  if (S_ISDIR(info.st_mode)) throw_file_error("read", path, EISDIR);
  size_ = static_cast<size_t>(info.st_size);
  if (size_ == 0) return;  // mmap refuses an empty range
  void* data = ::mmap(nullptr, size_, PROT_READ, MAP_SHARED, file.get(), 0);
  if (data == MAP_FAILED) throw_file_error("map", path, errno);
  data_ = static_cast<const std::byte*>(data);
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

void release_pages(std::span<const std::byte> bytes) {
  const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = reinterpret_cast<uintptr_t>(bytes.data());
  const uintptr_t first = (begin + page - 1) / page * page;
  const uintptr_t last = (begin + bytes.size()) / page * page;
  if (first >= last) return;
  // Best effort: a refusal costs memory, nothing else.
  ::madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);
}

FileSystem& real_file_system() {
  static RealFileSystem file_system;  // no state
  return file_system;
}

bool path_exists(const std::string& path) {
  struct stat info;
  return ::stat(path.c_str(), &info) == 0;
}

bool is_directory(const std::string& path) {
  struct stat info;
  return ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

uint64_t file_size(const std::string& path) {
  return static_cast<uint64_t>(stat_of(path).st_size);
}

std::string read_file(const std::string& path) {
  // By read, not by map: files of /proc and pipes have no size to map.
  const Descriptor file(path, O_RDONLY);
  std::string text;
  char buffer[65536];
  for (;;) {
    const ssize_t count = ::read(file.get(), buffer, sizeof(buffer));
    if (count == 0) return text;
    if (count > 0) {
      text.append(buffer, static_cast<size_t>(count));
    } else if (errno != EINTR) {
      throw_file_error("read", path, errno);
    }
  }
}

std::vector<std::string> list_directory(const std::string& path) {
  std::vector<std::string> names;
  std::error_code error;
  std::filesystem::directory_iterator entry(path, error);
  while (!error && entry != std::filesystem::directory_iterator()) {
    names.push_back(entry->path().filename().string());
    entry.increment(error);
  }
  if (error) throw_file_error("list", path, error.value());
  std::sort(names.begin(), names.end());
  return names;
}

uint64_t free_bytes(const std::string& path) {
  struct statvfs info;
  if (::statvfs(path.c_str(), &info) != 0) {
    throw_file_error("look at the disk of", path, errno);
  }
  return static_cast<uint64_t>(info.f_bavail) * info.f_frsize;
}

void write_file_atomically(FileSystem& fs, const std::string& path,
                           const std::string& text) {
  const std::string temporary = path + ".tmp";
  const auto file = fs.create(temporary);
  file->append(text);
  file->sync();
  file->close();
  fs.rename(temporary, path);
  const std::string parent = std::filesystem::path(path).parent_path().string();
  fs.sync_directory(parent.empty() ? "." : parent);
}

std::string join_path(const std::string& folder, const std::string& name) {
  if (folder.empty()) return name;
  return folder.back() == '/' ? folder + name : folder + "/" + name;
}

}  // namespace colossus
