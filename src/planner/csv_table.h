// A table of comma-separated values with a line of column names, as text. The
// reading is libcsv's: fields may be quoted, and then hold commas, line ends
// and doubled quotes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace colossus::planner {

struct CsvRow {
  int64_t line = 0;                // on which it begins, from 1
  std::vector<std::string> cells;  // one a column
};

struct CsvTable {
  std::vector<std::string> columns;
  std::vector<CsvRow> rows;
};

// `source` is the text's name in messages. Throws UserError with the line: a
// quote that is out of place or never closed, a row with more or fewer cells
// than columns, no line of names, more than 16 MiB, 256 columns or 100,000
// rows.
CsvTable read_csv(std::string_view text, const std::string& source);

}  // namespace colossus::planner
