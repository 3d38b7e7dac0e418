// One list of a struct's fields for writing it as JSON and for reading it back:
// a function template that names each field once, called with a JsonWriter or
// a JsonReader.
//
//   template <typename Json>
//   void visit(Json& json, Point& point) {
//     json.field("x_meters", point.x);
//     json.list("marks", point.marks, [](Json& item, Mark& mark) { ... });
//   }
//
// Reading trusts nothing: a key that is missing, unknown (with the nearest), of
// another type, or a number that is not finite is a UserError with its path.
// For .cc files alone: it includes the whole of nlohmann/json.
#pragma once

#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/fields.h"
#include "base/strings.h"
#include "planner/quantity_fields.h"

namespace colossus::planner {

class JsonWriter {
 public:
  explicit JsonWriter(nlohmann::ordered_json& object) : object_(object) {
    object_ = nlohmann::ordered_json::object();
  }

  template <typename T>
  void field(const std::string& name, T& value) {
    object_[name] = value;
  }
  template <typename T>
  void amount(const std::string& name, T& value) {
    field(name, value);
  }
  template <typename Struct, typename Visit>
  void section(const std::string& name, Struct& value, Visit visit) {
    JsonWriter inner(object_[name]);
    visit(inner, value);
  }
  template <typename Struct, typename Visit>
  void optional(const std::string& name, std::optional<Struct>& value,
                Visit visit) {
    object_[name] = nullptr;
    if (value) section(name, *value, visit);
  }
  template <typename Struct, typename Visit>
  void list(const std::string& name, std::vector<Struct>& values, Visit visit) {
    nlohmann::ordered_json array = nlohmann::ordered_json::array();
    for (Struct& value : values) {
      JsonWriter inner(array.emplace_back());
      visit(inner, value);
    }
    object_[name] = std::move(array);
  }
  void texts(const std::string& name, std::vector<std::string>& values) {
    object_[name] = values;
  }
  static constexpr bool kReads = false;

 private:
  nlohmann::ordered_json& object_;
};

class JsonReader {
 public:
  // `path` opens messages: "plan.json: layouts[3]".
  JsonReader(const nlohmann::json& object, std::string path)
      : object_(object), path_(std::move(path)) {
    if (!object.is_object()) throw user_error("{} is no object", path_);
  }

  void field(const std::string& name, bool& value) {
    value = at(name, "true or false", &nlohmann::json::is_boolean).get<bool>();
  }
  void field(const std::string& name, int64_t& value) {
    const nlohmann::json& node =
        at(name, "a whole number", &nlohmann::json::is_number_integer);
    const bool is_too_large =
        node.is_number_unsigned() && node.get<uint64_t>() > INT64_MAX;
    if (is_too_large) throw user_error("{}.{} is too large", path_, name);
    value = node.get<int64_t>();
  }
  void field(const std::string& name, double& value) {
    value = at(name, "a number", &nlohmann::json::is_number).get<double>();
    if (!std::isfinite(value)) {
      throw user_error("{}.{} is not finite", path_, name);
    }
  }
  void field(const std::string& name, std::string& value) {
    value = at(name, "a text", &nlohmann::json::is_string).get<std::string>();
  }
  // A number that is not below 0.
  template <typename T>
  void amount(const std::string& name, T& value) {
    field(name, value);
    if (value < 0) {
      throw user_error("{}.{} = {} must be at least 0", path_, name, value);
    }
  }
  template <typename Struct, typename Visit>
  void section(const std::string& name, Struct& value, Visit visit) {
    JsonReader inner(at(name, "an object", &nlohmann::json::is_object),
                     path_ + "." + name);
    visit(inner, value);
    inner.refuse_others();
  }
  template <typename Struct, typename Visit>
  void optional(const std::string& name, std::optional<Struct>& value,
                Visit visit) {
    if (find(name).is_null()) {
      value.reset();
    } else {
      section(name, value.emplace(), visit);
    }
  }
  template <typename Struct, typename Visit>
  void list(const std::string& name, std::vector<Struct>& values, Visit visit) {
    const nlohmann::json& array = at(name, "a list", &nlohmann::json::is_array);
    values.clear();
    for (const nlohmann::json& node : array) {
      JsonReader inner(node,
                       fmt::format("{}.{}[{}]", path_, name, values.size()));
      visit(inner, values.emplace_back());
      inner.refuse_others();
    }
  }
  void texts(const std::string& name, std::vector<std::string>& values) {
    values.clear();
    for (const nlohmann::json& node :
         at(name, "a list", &nlohmann::json::is_array)) {
      if (!node.is_string()) {
        throw user_error("{}.{}[{}] must be a text", path_, name,
                         values.size());
      }
      values.push_back(node.get<std::string>());
    }
  }

  // Call it when all fields are read.
  void refuse_others() const {
    for (const auto& [key, value] : object_.items()) {
      if (known_.contains(key)) continue;
      const std::string shown = key.substr(0, 80);
      throw user_error("{}: unknown key '{}'{}", path_, shown,
                       did_you_mean(shown, {known_.begin(), known_.end()}));
    }
  }
  const std::string& path() const { return path_; }
  static constexpr bool kReads = true;

 private:
  const nlohmann::json& find(const std::string& name) {
    known_.insert(name);
    const auto node = object_.find(name);
    if (node == object_.end()) {
      throw user_error("{}: '{}' is missing", path_, name);
    }
    return *node;
  }
  const nlohmann::json& at(const std::string& name, const char* type,
                           bool (nlohmann::json::*is)() const noexcept) {
    const nlohmann::json& node = find(name);
    if (!(node.*is)()) {
      throw user_error("{}.{} must be {}", path_, name, type);
    }
    return node;
  }

  const nlohmann::json& object_;
  std::string path_;
  std::set<std::string> known_;
};

// All fields of a struct that lists them (base/fields.h).
template <typename Json, typename Struct>
void visit_listed_fields(Json& json, Struct& component) {
  for (const Field& field : fields_of(component)) {
    std::visit([&](auto* value) { json.field(field.name, *value); },
               field.value);
  }
}

// All figures of a struct that lists them (quantity_fields.h), in base units;
// none is below 0.
template <typename Json, typename Struct>
void visit_listed_quantities(Json& json, Struct& component) {
  for (const QuantityField& field : quantities_of(component, "")) {
    const std::string name = name_with_unit(field);
    if (auto* const* words = std::get_if<std::string*>(&field.value)) {
      json.field(name, **words);
    } else if (auto* const* count = std::get_if<int64_t*>(&field.value)) {
      json.amount(name, **count);
    } else {
      json.amount(name, *std::get<double*>(field.value));
    }
  }
}

}  // namespace colossus::planner
