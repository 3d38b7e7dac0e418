// Any lines as a journal, as they are and with the right checksum put on: a
// line is refused with an error, or it can be written and read back; and from
// whatever was read a report can be drawn.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "runtime/history.h"
#include "runtime/journal_codec.h"
#include "runtime/report.h"

namespace colossus::runtime {
namespace {

std::string_view without_newline(const std::string& line) {
  return std::string_view(line).substr(0, line.size() - 1);
}

std::optional<JournalRecord> read_line(std::string_view line) {
  try {
    return decode_line(line);
  } catch (const CorruptFile&) {
    return std::nullopt;
  }
}

void add_line(std::string_view line, HistoryBuilder& builder) {
  std::optional<JournalRecord> record = read_line(line);
  if (!record) return;
  // What was written here can be read, and then written the same.
  const std::string written = encode_line(*record);
  if (encode_line(decode_line(without_newline(written))) != written) {
    std::abort();
  }
  builder.add(std::move(*record));
}

void check_any_header(std::string_view line) {
  try {
    check_header(line);
  } catch (const UserError&) {
  } catch (const CorruptFile&) {
  }
}

void draw_report(std::string_view text) {
  HistoryBuilder builder;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    const std::string sealed = seal_line(std::string(line));
    for (const std::string_view l : {line, without_newline(sealed)}) {
      check_any_header(l);
      add_line(l, builder);
    }
  }
  if (report_html("fuzz", std::move(builder).finish(), "").empty()) {
    std::abort();
  }
}

}  // namespace
}  // namespace colossus::runtime

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  colossus::runtime::draw_report({reinterpret_cast<const char*>(data), size});
  return 0;
}
