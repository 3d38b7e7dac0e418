// Files as Colossus uses them: whole reads through memory maps, writes that
// become visible by one rename. All durable writes go through the FileSystem
// interface, so that tests can end the program, fill the disk or forbid a write
// at any one of them (file_system_fault.h).
//
// Every failure is an exception that names the path and the reason: UserError
// where a person must act (missing file, no permission), RunError for the rest
// (disk full, input/output error).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace colossus {

// A file being written, front to back. Destroying it closes it; only `close`
// reports what went wrong on the way.
class WritableFile {
 public:
  virtual ~WritableFile() = default;
  virtual void append(std::span<const std::byte> bytes) = 0;
  // Until this returns the bytes may be lost by a power cut.
  virtual void sync() = 0;
  virtual void close() = 0;

  void append(const std::string& text) {
    append(std::as_bytes(std::span(text.data(), text.size())));
  }
};

// A whole file mapped read-only; the bytes live as long as the object.
class MappedFile {
 public:
  explicit MappedFile(const std::string& path);
  ~MappedFile();
  MappedFile(MappedFile&&) noexcept;
  MappedFile& operator=(MappedFile&&) noexcept;

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

// Tells the kernel that these bytes of a MappedFile will not be needed soon, so
// that a large file that is read through once does not count as this process's
// memory. They stay readable.
void release_pages(std::span<const std::byte> bytes);

class FileSystem {
 public:
  virtual ~FileSystem() = default;

  // Creates the file, or empties it.
  virtual std::unique_ptr<WritableFile> create(const std::string& path) = 0;
  // Creates the file if missing; writes go to its end.
  virtual std::unique_ptr<WritableFile> open_append(
      const std::string& path) = 0;
  virtual void rename(const std::string& from, const std::string& to) = 0;
  virtual void remove_file(const std::string& path) = 0;
  virtual void remove_tree(const std::string& path) = 0;
  virtual void create_directories(const std::string& path) = 0;
  // Makes renames and creations inside `path` durable.
  virtual void sync_directory(const std::string& path) = 0;
  // Cuts the file to `size` bytes (which must not exceed its size).
  virtual void truncate(const std::string& path, uint64_t size) = 0;
};

// The operating system's. Stateless; safe from any thread.
FileSystem& real_file_system();

// Reading needs no fault injection: damaged bytes are tested as bytes.
bool path_exists(const std::string& path);
bool is_directory(const std::string& path);
uint64_t file_size(const std::string& path);
std::string read_file(const std::string& path);  // whole; UserError if missing
std::vector<std::string> list_directory(const std::string& path);  // sorted
uint64_t free_bytes(const std::string& path);  // on that path's disk

// Throws what a failed system call means to a person: `doing` is a verb phrase
// ("write", "open"), `error_number` an errno.
[[noreturn]] void throw_file_error(const std::string& doing,
                                   const std::string& path, int error_number);

// Writes `text` to `path` so that a reader sees all of it or the file before:
// temporary file beside it, fsync, rename, fsync of the folder.
void write_file_atomically(FileSystem& fs, const std::string& path,
                           const std::string& text);

// "a" / "b" -> "a/b".
std::string join_path(const std::string& folder, const std::string& name);

}  // namespace colossus
