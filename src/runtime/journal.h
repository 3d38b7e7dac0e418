// The journal of a run: runs/NAME/journal.jsonl, append-only, one JSON object a
// line, every event with its reason. docs/formats/journal.md.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/file_system.h"
#include "runtime/journal_event.h"

namespace colossus::runtime {

std::string journal_path(const std::string& run_folder);

// The one writer of a journal; the run's lock keeps others out. Not
// thread-safe. The file system and the clock must outlive it.
class Journal {
 public:
  // Creates the journal, or goes on with it: a last line that a killed process
  // left torn is cut off, and a remark says so. Throws UserError for a journal
  // of another version, what FileSystem throws for the rest.
  Journal(FileSystem& fs, const Clock& clock, const std::string& run_folder);

  // Appends one line. All but step metrics are on disk when it returns; those
  // are with the operating system, and so survive a kill of this process. If it
  // throws (disk full), the next write first removes what the failed one left.
  void write(const JournalEvent& event, const JournalSource& source = {});

  const std::string& path() const { return path_; }

 private:
  void cut_torn_line();
  void open();
  void append(const std::string& line, bool durable);

  FileSystem& fs_;
  const Clock& clock_;
  std::string path_;
  std::unique_ptr<WritableFile> file_;  // null after a failed append
  uint64_t size_bytes_ = 0;             // of whole lines
  uint64_t torn_bytes_ = 0;
};

// Reads a journal while another process writes it.
class JournalFollower {
 public:
  // From its start. The journal need not exist yet.
  explicit JournalFollower(const std::string& run_folder);

  // Calls `visit` for each sound event that is new since the last call; what is
  // damaged is skipped, and a line that is not whole yet waits.
  void read_new(const std::function<void(JournalRecord)>& visit);

 private:
  std::string path_;
  uint64_t offset_ = 0;
};

// Calls `visit` for each sound event, in order, and returns a warning for each
// line that is damaged or unknown, by its number (at most 100, then a count). A
// torn last line is left out silently: the writer may be at work. Throws
// UserError if there is no journal, or one of another version.
std::vector<std::string> read_journal(
    const std::string& path, const std::function<void(JournalRecord)>& visit);

}  // namespace colossus::runtime
