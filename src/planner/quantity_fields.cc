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
    const double value =
        parse_quantity(text, field.unit, where, field.name, field.zero);
    if (value > field.most) {
      throw user_error(
          "{}: '{}' = \"{}\" is beyond {}, more than any machine has; look at "
          "its unit",
          where, field.name, text, quantity_text(field.most, field.unit));
    }
    *std::get<double*>(field.value) = value;
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

std::string name_with_unit(const QuantityField& field) {
  switch (field.unit) {
    case Unit::kNumber:
    case Unit::kCount:
    case Unit::kShare:
      return field.name;
    case Unit::kBytes:
      return field.name + "_bytes";
    case Unit::kBytesPerSecond:
      return field.name + "_bytes_per_second";
    case Unit::kFlops:
      return field.name + "_flops";
    case Unit::kWatts:
      return field.name + "_watts";
    case Unit::kWattsPerSecond:
      return field.name + "_watts_per_second";
    case Unit::kJoules:
      return field.name + "_joules";
    case Unit::kSeconds:
      return field.name + "_seconds";
    case Unit::kDollarsPerHour:
      return field.name + "_dollars_per_hour";
    case Unit::kDollarsPerKilowattHour:
      return field.name + "_dollars_per_kilowatt_hour";
  }
  COLOSSUS_CHECK(false, "unit {}", static_cast<int>(field.unit));
}

}  // namespace colossus::planner
