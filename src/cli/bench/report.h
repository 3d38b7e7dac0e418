// What `colossus bench` measured: tables for people as they come, or one JSON
// object at the end. docs/bench.md lists the fields.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace colossus::cli {

// The unit is the end of the name: _per_second, _seconds, _bytes; _share and
// mfu are fractions of 1, counts have none.
struct Figure {
  std::string name;
  double value;
};

class Report {
 public:
  // `json`: nothing is printed before `finish`.
  explicit Report(bool json) : json_(json) {}

  // What holds for all of it: the processor, its instruction set.
  void fact(const std::string& name, const std::string& text);
  // A table; `name` is its key in JSON, `title` its heading.
  void section(const std::string& name, const std::string& title);
  // A row of the newest table.
  void row(const std::string& subject, std::vector<Figure> figures);
  void finish() const;

 private:
  struct Row {
    std::string subject;
    std::vector<Figure> figures;
  };
  struct Section {
    std::string name;
    std::vector<Row> rows;
  };

  const bool json_;
  std::vector<std::pair<std::string, std::string>> facts_;
  std::vector<Section> sections_;
};

// The value with its unit, as tables show it: "54.2%", "229", "1.25 GiB".
std::string figure_text(const Figure& figure);

double median(std::vector<double> values);  // of at least one

}  // namespace colossus::cli
