// The field visitor: a struct lists its fields once, and defaults, parsing,
// help, printing and saving all derive from that one list.
//
//   struct RunConfig {
//     int64_t steps = 1000;
//     template <typename Visitor>
//     void visit_fields(Visitor& v) {
//       v.field("steps", steps, "optimizer steps of the whole run");
//     }
//   };
//
// Field types: bool, int64_t, double, std::string. A config of several
// components nests: v.section("run", run).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace colossus {

using FieldPointer = std::variant<bool*, int64_t*, double*, std::string*>;

// One field as listed: `name` is the full key ("run.steps").
struct Field {
  std::string name;
  FieldPointer value;
  std::string help;
};

// Collects the fields of a struct (which must outlive the result).
class FieldCollector {
 public:
  void field(std::string_view name, bool& value, std::string_view help) {
    add(name, &value, help);
  }
  void field(std::string_view name, int64_t& value, std::string_view help) {
    add(name, &value, help);
  }
  void field(std::string_view name, double& value, std::string_view help) {
    add(name, &value, help);
  }
  void field(std::string_view name, std::string& value, std::string_view help) {
    add(name, &value, help);
  }

  template <typename Struct>
  void section(std::string_view name, Struct& component) {
    const std::string outer = prefix_;
    prefix_ += std::string(name) + ".";
    component.visit_fields(*this);
    prefix_ = outer;
  }

  std::vector<Field> fields() && { return std::move(fields_); }

 private:
  void add(std::string_view name, FieldPointer value, std::string_view help) {
    fields_.push_back({prefix_ + std::string(name), value, std::string(help)});
  }

  std::string prefix_;
  std::vector<Field> fields_;
};

template <typename Struct>
std::vector<Field> fields_of(Struct& config) {
  FieldCollector collector;
  config.visit_fields(collector);
  return std::move(collector).fields();
}

}  // namespace colossus
