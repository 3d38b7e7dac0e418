#include "planner/quantity_fields.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/strings.h"

namespace colossus::planner {
namespace {

constexpr std::array<const char*, 4> kGradeNames = {"measured", "published",
                                                    "assumed", "given"};

struct Graded {
  std::string text;
  Grade grade;
};

// "95% (published)" -> "95%", kPublished.
Graded split_grade(const std::string& text, Grade otherwise) {
  for (size_t i = 0; i < kGradeNames.size(); ++i) {
    const std::string ending = std::string(" (") + kGradeNames[i] + ")";
    if (text.ends_with(ending)) {
      return {text.substr(0, text.size() - ending.size()),
              static_cast<Grade>(i)};
    }
  }
  return {text, otherwise};
}

const QuantityField& field_for(const config::TomlValue& value,
                               const std::vector<QuantityField>& fields) {
  const auto at = std::find_if(
      fields.begin(), fields.end(),
      [&](const QuantityField& field) { return field.name == value.key; });
  if (at != fields.end()) return *at;
  std::vector<std::string> names;
  for (const QuantityField& field : fields) names.push_back(field.name);
  throw user_error("{}: unknown key '{}'{}", value.where, value.key,
                   did_you_mean(value.key, names));
}

void assign(const QuantityField& field, const std::string& text,
            const std::string& where) {
  if (auto* const* words = std::get_if<std::string*>(&field.value)) {
    if (text.empty()) throw user_error("{}: '{}' is empty", where, field.name);
    **words = text;
  } else if (auto* const* count = std::get_if<int64_t*>(&field.value)) {
    **count = parse_count(text, where, field.name);
  } else {
    *std::get<double*>(field.value) =
        parse_quantity(text, field.unit, where, field.name, field.zero);
  }
}

}  // namespace

std::string grade_name(Grade grade) {
  return kGradeNames[static_cast<size_t>(grade)];
}

void read_quantities(const std::vector<config::TomlValue>& values,
                     const std::vector<QuantityField>& fields, Grade ungraded,
                     std::vector<Input>* inputs) {
  for (const config::TomlValue& value : values) {
    const QuantityField& field = field_for(value, fields);
    const Graded graded = split_grade(value.text, ungraded);
    assign(field, graded.text, value.where);
    if (inputs != nullptr) {
      inputs->push_back({value.key, graded.text, graded.grade, value.where});
    }
  }
}

}  // namespace colossus::planner
