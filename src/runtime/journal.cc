// See journal.h.
#include "runtime/journal.h"

#include <fmt/core.h>

#include <string_view>
#include <utility>

#include "base/error.h"
#include "runtime/journal_codec.h"

namespace colossus::runtime {
namespace {

constexpr size_t kMaxWarnings = 100;

std::string_view text_of(const MappedFile& file) {
  return {reinterpret_cast<const char*>(file.bytes().data()),
          file.bytes().size()};
}

// Names the file and the line of what `check` throws.
void check_first_line(const std::string& path, std::string_view line) {
  try {
    check_header(line);
  } catch (const UserError& error) {
    throw user_error("{}: {}", path, error.what());
  }
}

class LineReader {
 public:
  LineReader(std::string path, const std::function<void(JournalRecord)>& visit)
      : path_(std::move(path)), visit_(visit) {}

  void read(std::string_view line) {
    ++number_;
    try {
      if (number_ == 1) return check_first_line(path_, line);
      visit_(decode_line(line));
    } catch (const CorruptFile& error) {
      warn(error.what());
    }
  }

  std::vector<std::string> warnings() && {
    if (num_damaged_ > kMaxWarnings) {
      warnings_.push_back(fmt::format("{}: {} more damaged lines skipped",
                                      path_, num_damaged_ - kMaxWarnings));
    }
    return std::move(warnings_);
  }

 private:
  void warn(const char* reason) {
    if (++num_damaged_ > kMaxWarnings) return;
    warnings_.push_back(
        fmt::format("{}: line {} skipped: {}", path_, number_, reason));
  }

  std::string path_;
  const std::function<void(JournalRecord)>& visit_;
  uint64_t number_ = 0;
  uint64_t num_damaged_ = 0;
  std::vector<std::string> warnings_;
};

}  // namespace

std::string journal_path(const std::string& run_folder) {
  return join_path(run_folder, "journal.jsonl");
}

Journal::Journal(FileSystem& fs, const Clock& clock,
                 const std::string& run_folder)
    : fs_(fs), clock_(clock), path_(journal_path(run_folder)) {
  const bool is_new = !path_exists(path_);
  if (!is_new) cut_torn_line();
  open();
  if (size_bytes_ == 0) append(encode_header(clock_.wall_seconds()), true);
  if (is_new) fs_.sync_directory(run_folder);
  if (torn_bytes_ > 0) {
    write(Remark{.step = 0,
                 .reason = fmt::format(
                     "cut {} bytes of an unfinished line off the journal: the "
                     "process that wrote it was killed",
                     torn_bytes_)});
  }
}

void Journal::cut_torn_line() {
  {
    const MappedFile file(path_);
    const std::string_view text = text_of(file);
    const size_t last_newline = text.rfind('\n');
    size_bytes_ = last_newline == std::string_view::npos ? 0 : last_newline + 1;
    torn_bytes_ = text.size() - size_bytes_;
    const std::string_view first = text.substr(0, text.find('\n'));
    if (is_header(first)) check_first_line(path_, first);
  }
  if (torn_bytes_ > 0) fs_.truncate(path_, size_bytes_);
}

void Journal::open() { file_ = fs_.open_append(path_); }

void Journal::write(const JournalEvent& event, const JournalSource& source) {
  const bool durable = !std::holds_alternative<StepMetrics>(event);
  append(encode_line({clock_.wall_seconds(), event, source}), durable);
}

void Journal::append(const std::string& line, bool durable) {
  if (file_ == nullptr) {
    fs_.truncate(path_, size_bytes_);
    open();
  }
  try {
    file_->append(line);
    if (durable) file_->sync();
  } catch (...) {
    file_ = nullptr;
    throw;
  }
  size_bytes_ += line.size();
}

JournalFollower::JournalFollower(const std::string& run_folder)
    : path_(journal_path(run_folder)) {}

void JournalFollower::read_new(
    const std::function<void(JournalRecord)>& visit) {
  if (!path_exists(path_)) return;
  const MappedFile file(path_);
  const std::string_view text = text_of(file);
  if (text.size() <= offset_) return;
  const size_t end = text.rfind('\n');
  if (end == std::string_view::npos || end < offset_) return;
  const bool whole = offset_ == 0;
  std::string_view fresh = text.substr(offset_, end + 1 - offset_);
  offset_ = end + 1;
  if (whole) fresh.remove_prefix(fresh.find('\n') + 1);  // the header
  while (!fresh.empty()) {
    const size_t newline = fresh.find('\n');
    try {
      visit(decode_line(fresh.substr(0, newline)));
    } catch (const CorruptFile&) {
      // read_journal warns of it; who follows has nobody to tell.
    }
    fresh.remove_prefix(newline + 1);
  }
}

std::vector<std::string> read_journal(
    const std::string& path, const std::function<void(JournalRecord)>& visit) {
  const MappedFile file(path);
  std::string_view text = text_of(file);
  LineReader reader(path, visit);
  for (size_t end; (end = text.find('\n')) != std::string_view::npos;) {
    reader.read(text.substr(0, end));
    text.remove_prefix(end + 1);
  }
  return std::move(reader).warnings();
}

}  // namespace colossus::runtime
