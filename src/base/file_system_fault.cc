#include "base/file_system_fault.h"

#include <cerrno>
#include <filesystem>

#include "base/error.h"

namespace colossus {
namespace {

std::string parent_of(const std::string& path) {
  return std::filesystem::path(path).parent_path().string();
}

bool lies_in(const std::string& path, const std::string& folder) {
  return path.size() > folder.size() && path.starts_with(folder) &&
         path[folder.size()] == '/';
}

}  // namespace

class FaultFile : public WritableFile {
 public:
  FaultFile(FaultFileSystem& fs, std::string path,
            std::unique_ptr<WritableFile> base)
      : fs_(fs), path_(std::move(path)), base_(std::move(base)) {}

  using WritableFile::append;
  void append(std::span<const std::byte> bytes) override {
    const bool torn = fs_.begin(FaultFileSystem::Kind::kGrow, "write", path_);
    base_->append(torn ? bytes.first(bytes.size() / 2) : bytes);
    if (torn) fs_.finish_torn("write", path_);
  }

  void sync() override {
    if (fs_.begin(FaultFileSystem::Kind::kOther, "sync", path_)) {
      fs_.finish_torn("sync", path_);
    }
    base_->sync();
    fs_.synced(path_);
  }

  void close() override {
    if (fs_.begin(FaultFileSystem::Kind::kOther, "close", path_)) {
      fs_.finish_torn("close", path_);
    }
    base_->close();
  }

 private:
  FaultFileSystem& fs_;
  const std::string path_;
  const std::unique_ptr<WritableFile> base_;
};

FaultFileSystem::FaultFileSystem(FileSystem& base, Fault fault,
                                 int64_t strike_at)
    : base_(base), fault_(fault), strike_at_(strike_at) {}

int64_t FaultFileSystem::num_operations() const {
  std::lock_guard lock(mutex_);
  return num_operations_;
}

bool FaultFileSystem::struck() const {
  return fault_ != Fault::kNone && num_operations() > strike_at_;
}

bool FaultFileSystem::begin(Kind kind, const std::string& doing,
                            const std::string& path) {
  std::lock_guard lock(mutex_);
  const int64_t operation = num_operations_++;
  if (operation < strike_at_) return false;
  const bool first = operation == strike_at_;
  switch (fault_) {
    case Fault::kNone:
      return false;
    case Fault::kDiskFull:
      if (kind != Kind::kGrow) return false;
      if (first) return true;
      throw_file_error(doing, path, ENOSPC);
    case Fault::kReadOnly:
      throw_file_error(doing, path, EROFS);
    case Fault::kInputOutput:
      if (first) throw_file_error(doing, path, EIO);
      return false;
    case Fault::kKill:
    case Fault::kPowerCut:
      if (first) return true;
      throw SimulatedKill();
  }
  return false;
}

void FaultFileSystem::finish_torn(const std::string& doing,
                                  const std::string& path) {
  if (fault_ == Fault::kDiskFull) throw_file_error(doing, path, ENOSPC);
  if (fault_ == Fault::kPowerCut) lose_what_was_not_synced();
  throw SimulatedKill();
}

void FaultFileSystem::lose_what_was_not_synced() {
  std::lock_guard lock(mutex_);
  for (const auto& [path, size] : synced_size_) {
    if (path_exists(path) && file_size(path) > size) {
      base_.truncate(path, size);
    }
  }
  for (auto it = unsynced_renames_.rbegin(); it != unsynced_renames_.rend();
       ++it) {
    const auto& [from, to] = *it;
    if (path_exists(to) && !path_exists(from)) base_.rename(to, from);
  }
}

void FaultFileSystem::synced(const std::string& path) {
  std::lock_guard lock(mutex_);
  const auto it = synced_size_.find(path);
  if (it != synced_size_.end()) it->second = file_size(path);
}

std::unique_ptr<WritableFile> FaultFileSystem::create(const std::string& path) {
  if (begin(Kind::kGrow, "create", path)) finish_torn("create", path);
  auto file = base_.create(path);
  std::lock_guard lock(mutex_);
  synced_size_[path] = 0;
  return std::make_unique<FaultFile>(*this, path, std::move(file));
}

std::unique_ptr<WritableFile> FaultFileSystem::open_append(
    const std::string& path) {
  if (begin(Kind::kGrow, "open", path)) finish_torn("open", path);
  const uint64_t size = path_exists(path) ? file_size(path) : 0;
  auto file = base_.open_append(path);
  std::lock_guard lock(mutex_);
  synced_size_.try_emplace(path, size);
  return std::make_unique<FaultFile>(*this, path, std::move(file));
}

void FaultFileSystem::rename(const std::string& from, const std::string& to) {
  if (begin(Kind::kOther, "rename", from)) finish_torn("rename", from);
  // One that replaces a file cannot be undone, and need not be: after a power
  // cut either file may be there.
  const bool can_be_undone = !path_exists(to);
  base_.rename(from, to);
  std::lock_guard lock(mutex_);
  if (can_be_undone) unsynced_renames_.emplace_back(from, to);
  std::map<std::string, uint64_t> moved;
  for (auto it = synced_size_.begin(); it != synced_size_.end();) {
    const bool inside = it->first == from || lies_in(it->first, from);
    if (inside) moved[to + it->first.substr(from.size())] = it->second;
    it = inside ? synced_size_.erase(it) : std::next(it);
  }
  for (const auto& [file, size] : moved) synced_size_[file] = size;
}

void FaultFileSystem::remove_file(const std::string& path) {
  if (begin(Kind::kOther, "remove", path)) finish_torn("remove", path);
  base_.remove_file(path);
}

void FaultFileSystem::remove_tree(const std::string& path) {
  if (is_directory(path)) {
    for (const std::string& name : list_directory(path)) {
      remove_tree(join_path(path, name));
    }
  }
  if (begin(Kind::kOther, "remove", path)) finish_torn("remove", path);
  base_.remove_tree(path);
}

void FaultFileSystem::create_directories(const std::string& path) {
  if (begin(Kind::kGrow, "create the folder", path)) {
    finish_torn("create the folder", path);
  }
  base_.create_directories(path);
}

void FaultFileSystem::sync_directory(const std::string& path) {
  if (begin(Kind::kOther, "sync", path)) finish_torn("sync", path);
  base_.sync_directory(path);
  std::lock_guard lock(mutex_);
  std::erase_if(unsynced_renames_, [&](const auto& renamed) {
    return parent_of(renamed.first) == path &&
           parent_of(renamed.second) == path;
  });
}

void FaultFileSystem::truncate(const std::string& path, uint64_t size) {
  if (begin(Kind::kOther, "truncate", path)) finish_torn("truncate", path);
  base_.truncate(path, size);
}

}  // namespace colossus
