// One event as one line of the journal, and back. docs/formats/journal.md.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "runtime/journal_event.h"

namespace colossus::runtime {

inline constexpr int kJournalVersion = 1;

// No writer makes a longer line, no reader looks at one.
inline constexpr size_t kMaxJournalLineBytes = 16u << 20;

// With the newline. Texts beyond 256 KiB are cut; numbers that are not finite
// become null.
std::string encode_line(const JournalRecord& record);

// The first line of every journal.
std::string encode_header(double wall_seconds);

// A line from its JSON without the closing brace.
std::string seal_line(std::string body);

// `line` without its newline. Throws CorruptFile with what is wrong about the
// line, but not where it stands.
JournalRecord decode_line(std::string_view line);

bool is_header(std::string_view line);
// Throws CorruptFile for a line that is no sound header, UserError for a
// version that this program does not know.
void check_header(std::string_view line);

}  // namespace colossus::runtime
