// A file system that fails on purpose, for tests: every operation that changes
// something is counted, and at the n-th one the disk is full, read-only or
// broken, the process "dies" half-way through the write, or the power fails.
//
//   for (int64_t n = 0;; ++n) {
//     FaultFileSystem fs(real_file_system(), Fault::kKill, n);
//     try { write(fs); } catch (const SimulatedKill&) {}
//     check_what_a_reader_finds();
//     if (!fs.struck()) break;     // the writer got through
//   }
//
// Safe from several threads. Must outlive the files that it opened.
#pragma once

#include <cstdint>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/file_system.h"

namespace colossus {

enum class Fault {
  kNone,         // only counts
  kDiskFull,     // from then on nothing can be created or grow
  kReadOnly,     // from then on nothing can be changed
  kInputOutput,  // that one operation fails
  kKill,         // half of that write, then SimulatedKill for ever
  // As kKill, and what was not synced is lost: files are cut to their synced
  // size, renames to new names in unsynced folders did not happen.
  kPowerCut,
};

// Thrown in place of the process's death; not a std::runtime_error, so that no
// handler of ordinary errors mends what a dead process could not.
class SimulatedKill : public std::exception {
 public:
  const char* what() const noexcept override { return "simulated kill"; }
};

class FaultFileSystem : public FileSystem {
 public:
  // `strike_at` counts from 0.
  FaultFileSystem(FileSystem& base, Fault fault, int64_t strike_at);

  int64_t num_operations() const;
  bool struck() const;

  std::unique_ptr<WritableFile> create(const std::string& path) override;
  std::unique_ptr<WritableFile> open_append(const std::string& path) override;
  void rename(const std::string& from, const std::string& to) override;
  void remove_file(const std::string& path) override;
  // Each entry of the tree is an operation of its own.
  void remove_tree(const std::string& path) override;
  void create_directories(const std::string& path) override;
  void sync_directory(const std::string& path) override;
  void truncate(const std::string& path, uint64_t size) override;

 private:
  friend class FaultFile;
  enum class Kind { kGrow, kOther };

  // Counts one operation. Returns whether it is to be torn: done by half, and
  // then `die` or `fail` called. Throws where nothing of it is to happen.
  bool begin(Kind kind, const std::string& doing, const std::string& path);
  [[noreturn]] void finish_torn(const std::string& doing,
                                const std::string& path);
  void lose_what_was_not_synced();
  void synced(const std::string& path);

  FileSystem& base_;
  const Fault fault_;
  const int64_t strike_at_;

  mutable std::mutex mutex_;
  int64_t num_operations_ = 0;
  std::map<std::string, uint64_t> synced_size_;  // of files not fully synced
  std::vector<std::pair<std::string, std::string>> unsynced_renames_;
};

}  // namespace colossus
