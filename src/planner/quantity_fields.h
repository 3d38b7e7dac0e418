// The list of a struct's figures with their units, from which reading derives;
// base/fields.h with units. A struct lists them once:
//
//   template <typename Visitor>
//   void visit_quantities(Visitor& v) {
//     v.field("memory", memory_bytes, Unit::kBytes, "what the driver shows");
//     v.field("num_sms", num_sms, "streaming multiprocessors");
//   }
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "config/toml.h"
#include "planner/units.h"

namespace colossus::planner {

// Where a figure comes from. A text may say so at its end: "95% (published)".
enum class Grade {
  kMeasured,   // on the machine itself
  kPublished,  // a datasheet, a specification, somebody's measurement
  kAssumed,    // nobody said so
  kGiven       // the user's own file or flag, without a word of where from
};
std::string grade_name(Grade grade);

// A figure as it was read, for those who print what a plan rests on.
struct Input {
  std::string key;
  std::string text;  // without the grade
  Grade grade = Grade::kGiven;
  std::string where;  // "cluster.toml:12", "--set"
};

struct QuantityField {
  std::string name;  // the whole key
  std::variant<double*, int64_t*, std::string*> value;
  Unit unit = Unit::kNumber;
  std::string help;
  Zero zero = Zero::kRefused;
  double most = std::numeric_limits<double>::infinity();
};

class QuantityCollector {
 public:
  explicit QuantityCollector(const std::string& prefix) : prefix_(prefix) {}

  void field(std::string_view name, double& value, Unit unit,
             std::string_view help) {
    fields_.push_back({key(name), &value, unit, std::string(help)});
  }
  // One of which no machine of the next years has more than `most`, so that a
  // slip of the unit does not pass.
  void field_up_to(double most, std::string_view name, double& value, Unit unit,
                   std::string_view help) {
    fields_.push_back(
        {key(name), &value, unit, std::string(help), Zero::kRefused, most});
  }
  // One that may be 0: it never happens.
  void field_or_zero(std::string_view name, double& value, Unit unit,
                     std::string_view help) {
    fields_.push_back(
        {key(name), &value, unit, std::string(help), Zero::kAllowed});
  }
  void field(std::string_view name, int64_t& value, std::string_view help) {
    fields_.push_back({key(name), &value, Unit::kCount, std::string(help)});
  }
  void field(std::string_view name, std::string& value, std::string_view help) {
    fields_.push_back({key(name), &value, Unit::kNumber, std::string(help)});
  }

  std::vector<QuantityField> fields() && { return std::move(fields_); }

 private:
  std::string key(std::string_view name) const {
    return prefix_ + std::string(name);
  }

  std::string prefix_;
  std::vector<QuantityField> fields_;
};

// The field's name in JSON: "memory" of Unit::kBytes -> "memory_bytes".
std::string name_with_unit(const QuantityField& field);

// Keys are `prefix` + name. The struct must outlive the result.
template <typename Struct>
std::vector<QuantityField> quantities_of(Struct& component,
                                         const std::string& prefix) {
  QuantityCollector collector(prefix);
  component.visit_quantities(collector);
  return std::move(collector).fields();
}

// Sets the fields that `values` name, and appends what was read to `inputs`
// (may be null). A text without a grade gets `ungraded`. Throws UserError: an
// unknown key, with the nearest one; a wrong figure (units.h).
void read_quantities(const std::vector<config::TomlValue>& values,
                     const std::vector<QuantityField>& fields, Grade ungraded,
                     std::vector<Input>* inputs);

}  // namespace colossus::planner
