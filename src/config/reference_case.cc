#include "config/reference_case.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <type_traits>
#include <vector>

#include "base/error.h"
#include "base/fields.h"
#include "base/strings.h"
#include "config/rules.h"
#include "config/strict_json.h"

namespace colossus::config {
namespace {

using nlohmann::json;

bool assign(const Field& field, const json& value) {
  return std::visit(
      [&](auto* target) {
        using T = std::remove_pointer_t<decltype(target)>;
        bool fits = false;
        if constexpr (std::is_same_v<T, bool>) {
          fits = value.is_boolean();
        } else if constexpr (std::is_same_v<T, int64_t>) {
          fits = value.is_number_integer() &&
                 !(value.is_number_unsigned() &&
                   value.get<uint64_t>() > static_cast<uint64_t>(INT64_MAX));
        } else if constexpr (std::is_same_v<T, double>) {
          fits = value.is_number();
        } else {
          fits = value.is_string();
        }
        if (fits) *target = value.get<T>();
        return fits;
      },
      field.value);
}

void require_known(const std::string& key,
                   const std::vector<std::string>& names,
                   const std::string& where) {
  if (std::find(names.begin(), names.end(), key) != names.end()) return;
  const std::string shown = key.substr(0, 80);
  throw user_error("{}: unknown key '{}'{}", where, shown,
                   did_you_mean(shown, names));
}

// Sets every field from the object; all of them must be there but `optional`.
void read_object(const json& object, const std::string& where,
                 const std::vector<Field>& fields,
                 const std::set<std::string>& optional) {
  if (!object.is_object()) {
    throw user_error("{} must be an object", where);
  }
  std::vector<std::string> names;
  for (const Field& field : fields) {
    names.push_back(field.name);
    const auto at = object.find(field.name);
    if (at == object.end()) {
      require(optional.contains(field.name), "{}: '{}' is missing", where,
              field.name);
    } else {
      require(assign(field, *at), "{}: '{}' has the wrong type: {}", where,
              field.name, at->type_name());
    }
  }
  for (const auto& [key, value] : object.items()) {
    require_known(key, names, where);
  }
}

// The optimizer's fields as the case lists them.
struct TrainFields {
  ReferenceCase& result;

  template <typename Visitor>
  void visit_fields(Visitor& v) {
    OptimizerConfig& optimizer = result.optimizer;
    v.field("learning_rate", optimizer.learning_rate, "");
    v.field("beta1", optimizer.beta1, "");
    v.field("beta2", optimizer.beta2, "");
    v.field("eps", optimizer.eps, "");
    v.field("weight_decay", optimizer.weight_decay, "");
    v.field("max_grad_norm", optimizer.max_grad_norm, "");
    v.field("steps", result.steps, "");
  }
};

void use_constant_schedule(OptimizerConfig& optimizer) {
  optimizer.schedule = "constant";
  optimizer.min_learning_rate = optimizer.learning_rate;
  optimizer.warmup_steps = 0;
}

}  // namespace

ReferenceCase read_reference_case(const std::string& text,
                                  const std::string& source) {
  const json root = parse_strict_json(text, source, JsonLimits{});
  ReferenceCase result;
  require(root.is_object(), "{}: must be an object", source);
  for (const auto& [key, value] : root.items()) {
    require_known(key, {"purpose", "model", "train"}, source);
  }
  require(root.contains("model"), "{}: 'model' is missing", source);
  require(root.contains("train"), "{}: 'train' is missing", source);
  if (root.contains("purpose")) {
    require(root["purpose"].is_string(), "{}: 'purpose' must be a string",
            source);
    result.purpose = root["purpose"].get<std::string>();
  }
  read_object(root["model"], source + ": model", fields_of(result.model),
              {"long_context_start"});
  TrainFields train{result};
  read_object(root["train"], source + ": train", fields_of(train), {});
  use_constant_schedule(result.optimizer);
  validate(result.model, source + ": model.");
  validate(result.optimizer, source + ": train.");
  require_range(source + ": train.steps", result.steps, 0, 1'000'000);
  return result;
}

}  // namespace colossus::config
