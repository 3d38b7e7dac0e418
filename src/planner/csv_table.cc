#include "planner/csv_table.h"

#include <csv.h>

#include "base/error.h"

namespace colossus::planner {
namespace {

constexpr size_t kMaxBytes = size_t{16} << 20;
constexpr size_t kMaxColumns = 256;
constexpr size_t kMaxRows = 100'000;

// With its end: \n, \r\n or \r.
size_t length_of_line(std::string_view text) {
  const size_t end = text.find_first_of("\r\n");
  if (end == std::string_view::npos) return text.size();
  return end + (text.substr(end).starts_with("\r\n") ? 2 : 1);
}

// Feeds libcsv a line at a time, so that each row knows where it begins.
class Reader {
 public:
  explicit Reader(const std::string& source) : source_(source) {
    // Every line end outside quotes is reported, that of an empty line too.
    csv_init(&parser_, CSV_STRICT | CSV_STRICT_FINI | CSV_REPALL_NL);
  }
  ~Reader() { csv_free(&parser_); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  CsvTable read(std::string_view text) {
    while (!text.empty()) {
      const std::string_view line = text.substr(0, length_of_line(text));
      text.remove_prefix(line.size());
      ++line_;
      if (between_rows_) row_begins_ = line_;
      between_rows_ = false;
      if (csv_parse(&parser_, line.data(), line.size(), on_cell, on_row,
                    this) != line.size()) {
        throw_malformed(line_);
      }
      check();
    }
    if (csv_fini(&parser_, on_cell, on_row, this) != 0) {
      throw_malformed(row_begins_);
    }
    check();
    if (!has_names_) throw user_error("{}: no line of column names", source_);
    return std::move(table_);
  }

 private:
  // These are called from C and must not throw: they note what is wrong.
  static void on_cell(void* bytes, size_t size, void* self) {
    auto& reader = *static_cast<Reader*>(self);
    if (reader.cells_.size() > kMaxColumns) return;
    reader.cells_.emplace_back(static_cast<const char*>(bytes), size);
  }

  static void on_row(int, void* self) {
    auto& reader = *static_cast<Reader*>(self);
    CsvRow row = {reader.row_begins_, std::move(reader.cells_)};
    reader.cells_.clear();
    reader.between_rows_ = true;
    if (row.cells.empty()) return;  // an empty line
    if (!reader.has_names_) {
      reader.table_.columns = std::move(row.cells);
      reader.has_names_ = true;
    } else if (reader.wrong_.line == 0) {
      const bool fits = row.cells.size() == reader.table_.columns.size();
      if (fits && reader.table_.rows.size() < kMaxRows) {
        reader.table_.rows.push_back(std::move(row));
      } else {
        reader.wrong_ = std::move(row);
      }
    }
  }

  void check() const {
    const size_t columns = table_.columns.size();
    if (columns > kMaxColumns) {
      throw user_error("{}: more than {} columns", source_, kMaxColumns);
    }
    if (wrong_.line == 0) return;
    if (wrong_.cells.size() == columns) {
      throw user_error("{}:{}: more than {} rows", source_, wrong_.line,
                       kMaxRows);
    }
    throw user_error("{}:{}: {} cells, and there are {} columns", source_,
                     wrong_.line, wrong_.cells.size(), columns);
  }

  [[noreturn]] void throw_malformed(int64_t line) {
    throw user_error(
        "{}:{}: {}; a cell with quotes, commas or line ends is "
        "written in quotes, with quotes in it doubled",
        source_, line, csv_strerror(csv_error(&parser_)));
  }

  const std::string& source_;
  csv_parser parser_ = {};
  int64_t line_ = 0;
  bool between_rows_ = true;
  int64_t row_begins_ = 1;
  std::vector<std::string> cells_;  // of the row so far
  CsvRow wrong_;                    // the first that does not fit
  bool has_names_ = false;
  CsvTable table_;
};

}  // namespace

CsvTable read_csv(std::string_view text, const std::string& source) {
  if (text.size() > kMaxBytes) {
    throw user_error("{}: {} bytes; at most {} are read", source, text.size(),
                     kMaxBytes);
  }
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);  // a BOM
  return Reader(source).read(text);
}

}  // namespace colossus::planner
