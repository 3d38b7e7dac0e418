#include "config/toml.h"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <string_view>
#include <type_traits>

#include "base/error.h"
#include "base/strings.h"

namespace colossus::config {
namespace {

// The parser bounds the depth of nested values but not that of dotted keys,
// whose tables are freed by recursion. These bounds keep any text harmless and
// are far above what a config needs.
constexpr size_t kMaxTextBytes = 64 * 1024;
constexpr int64_t kMaxDots = 4096;
// No key is half as long: longer ones are shown cut, and compared with none.
constexpr size_t kMaxKeyBytes = 80;

std::vector<std::string> names_of(const std::vector<Field>& fields) {
  std::vector<std::string> names;
  names.reserve(fields.size());
  for (const Field& field : fields) names.push_back(field.name);
  return names;
}

const Field* find_field(const std::string& name,
                        const std::vector<Field>& fields) {
  const auto at =
      std::find_if(fields.begin(), fields.end(),
                   [&](const Field& field) { return field.name == name; });
  return at == fields.end() ? nullptr : &*at;
}

bool is_section(const std::string& name, const std::vector<Field>& fields) {
  return std::any_of(fields.begin(), fields.end(), [&](const Field& field) {
    return field.name.starts_with(name + ".");
  });
}

const char* type_name(const Field& field) {
  struct Names {
    const char* operator()(bool*) const { return "true or false"; }
    const char* operator()(int64_t*) const { return "an integer"; }
    const char* operator()(double*) const { return "a number"; }
    const char* operator()(std::string*) const { return "a string"; }
  };
  return std::visit(Names{}, field.value);
}

const char* type_name(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::table:
      return "a table";
    case toml::node_type::array:
      return "an array";
    case toml::node_type::string:
      return "a string";
    case toml::node_type::integer:
      return "an integer";
    case toml::node_type::floating_point:
      return "a number with a fraction";
    case toml::node_type::boolean:
      return "true or false";
    case toml::node_type::date:
    case toml::node_type::time:
    case toml::node_type::date_time:
      return "a date or time";
    case toml::node_type::none:
      break;
  }
  return "nothing";
}

// Sets the field if the value has its type; an integer may stand for a double.
bool assign(const Field& field, const toml::node& node) {
  return std::visit(
      [&](auto* target) {
        using T = std::remove_pointer_t<decltype(target)>;
        std::optional<T> value = node.value_exact<T>();
        if constexpr (std::is_same_v<T, double>) {
          if (!value && node.is_integer()) {
            value = static_cast<double>(*node.value_exact<int64_t>());
          }
        }
        if (!value) return false;
        *target = *value;
        return true;
      },
      field.value);
}

[[noreturn]] void throw_wrong_type(const std::string& where, const Field& field,
                                   const toml::node& node) {
  throw user_error("{}: '{}' must be {}, not {}", where, field.name,
                   type_name(field), type_name(node));
}

[[noreturn]] void throw_unknown_key(const std::string& where,
                                    const std::string& key,
                                    const std::vector<Field>& fields) {
  if (key.size() > kMaxKeyBytes) {
    throw user_error("{}: unknown key '{}...'", where,
                     key.substr(0, kMaxKeyBytes));
  }
  throw user_error("{}: unknown key '{}'{}", where, key,
                   did_you_mean(key, names_of(fields)));
}

void check_bounds(const std::string& text, const std::string& source) {
  if (text.size() > kMaxTextBytes) {
    throw user_error("{}: {} bytes; a config has at most {}", source,
                     text.size(), kMaxTextBytes);
  }
  const int64_t dots = std::count(text.begin(), text.end(), '.');
  if (dots > kMaxDots) {
    throw user_error("{}: {} dots; a config has at most {}", source, dots,
                     kMaxDots);
  }
}

toml::table parse(const std::string& text, const std::string& source) {
  check_bounds(text, source);
  try {
    return toml::parse(text);
  } catch (const toml::parse_error& error) {
    throw user_error("{}:{}: {}", source, error.source().begin.line,
                     error.description());
  }
}

// Walks the parsed tables; the dotted path to a value is its key.
class TableReader {
 public:
  TableReader(const std::string& source, const std::vector<Field>& fields,
              Origins& origins)
      : source_(source), fields_(fields), origins_(origins) {}

  void read(const toml::table& table, const std::string& prefix) {
    for (const auto& [key, node] : table) {
      const auto part = std::string(key.str());
      const std::string where =
          fmt::format("{}:{}", source_, node.source().begin.line);
      const std::string name = prefix + part;
      // `"run.steps" = 1` is one quoted key, not steps of the section run.
      if (part.find('.') != std::string::npos) {
        throw user_error("{}: unknown key '\"{}\"'; write it without quotes",
                         where, name);
      }
      read_node(name, node, where);
    }
  }

 private:
  void read_node(const std::string& name, const toml::node& node,
                 const std::string& where) {
    if (const Field* field = find_field(name, fields_)) {
      if (!assign(*field, node)) throw_wrong_type(where, *field, node);
      origins_[name] = where;
    } else if (!is_section(name, fields_)) {
      throw_unknown_key(where, first_key(name, node), fields_);
    } else if (const toml::table* section = node.as_table()) {
      read(*section, name + ".");
    } else {
      throw user_error("{}: '{}' is a section, not {}", where, name,
                       type_name(node));
    }
  }

  // For a section that nobody knows, one of its keys says more than its name.
  static std::string first_key(const std::string& name,
                               const toml::node& node) {
    const toml::table* table = node.as_table();
    if (table == nullptr || table->empty()) return name;
    return name + "." + std::string(table->begin()->first.str());
  }

  const std::string& source_;
  const std::vector<Field>& fields_;
  Origins& origins_;
};

// Collects the values below a table, with their lines to sort by.
class ValueCollector {
 public:
  explicit ValueCollector(const std::string& source) : source_(source) {}

  void read(const toml::table& table, const std::string& prefix) {
    for (const auto& [key, node] : table) {
      const auto part = std::string(key.str());
      const toml::source_position at = node.source().begin;
      const std::string where = fmt::format("{}:{}", source_, at.line);
      const std::string name = prefix + part;
      if (part.find('.') != std::string::npos || name.size() > kMaxKeyBytes) {
        throw user_error("{}: '{}' is no key that can be meant here", where,
                         name.substr(0, kMaxKeyBytes));
      }
      if (const toml::table* section = node.as_table()) {
        read(*section, name + ".");
      } else {
        values_.push_back(
            {{at.line, at.column}, {name, text_of(node, name, where), where}});
      }
    }
  }

  std::vector<TomlValue> in_order() && {
    std::stable_sort(
        values_.begin(), values_.end(),
        [](const Placed& a, const Placed& b) { return a.place < b.place; });
    std::vector<TomlValue> result;
    for (Placed& placed : values_) result.push_back(std::move(placed.value));
    return result;
  }

 private:
  struct Placed {
    std::pair<uint32_t, uint32_t> place;  // line, column
    TomlValue value;
  };

  static std::string text_of(const toml::node& node, const std::string& name,
                             const std::string& where) {
    if (const auto text = node.value_exact<std::string>()) return *text;
    if (const auto whole = node.value_exact<int64_t>()) {
      return std::to_string(*whole);
    }
    if (const auto number = node.value_exact<double>()) {
      return fmt::format("{}", *number);
    }
    if (const auto flag = node.value_exact<bool>()) {
      return *flag ? "true" : "false";
    }
    throw user_error("{}: '{}' must be a string or a number, not {}", where,
                     name, type_name(node));
  }

  const std::string& source_;
  std::vector<Placed> values_;
};

bool assign_text(const Field& field, const std::string& text,
                 const std::string& assignment) {
  auto* string_field = std::get_if<std::string*>(&field.value);
  const bool bare = text.empty() || (text[0] != '"' && text[0] != '\'');
  if (string_field != nullptr && bare) {
    **string_field = text;
    return true;
  }
  const toml::table table = parse("value = " + text, "--set " + assignment);
  const toml::node* node = table.get("value");
  // More than one key: the text held a line of its own.
  if (table.size() != 1 || node == nullptr) return false;
  return assign(field, *node);
}

std::string quoted(const std::string& text) {
  std::string result = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      result += '\\';
      result += c;
    } else if (c == '\n') {
      result += "\\n";
    } else if (c == '\t') {
      result += "\\t";
    } else if (byte < 0x20 || byte == 0x7f) {
      result += fmt::format("\\u{:04X}", byte);
    } else {
      result += c;
    }
  }
  return result + "\"";
}

// Shortest text that reads back as the same double.
std::string double_text(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  std::string text = fmt::format("{}", value);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

std::string write(const std::vector<Field>& fields, bool with_help) {
  std::string result, section;
  for (const Field& field : fields) {
    const size_t dot = field.name.rfind('.');
    const bool nested = dot != std::string::npos;
    const std::string prefix = nested ? field.name.substr(0, dot) : "";
    if (prefix != section) {
      if (!result.empty()) result += '\n';
      result += fmt::format("[{}]\n", prefix);
      section = prefix;
    }
    std::string line =
        fmt::format("{} = {}", nested ? field.name.substr(dot + 1) : field.name,
                    value_text(field));
    if (with_help) line = fmt::format("{:<36}  # {}", line, field.help);
    result += line + "\n";
  }
  return result;
}

}  // namespace

void read_toml(const std::string& text, const std::string& source,
               const std::vector<Field>& fields, Origins& origins) {
  const toml::table table = parse(text, source);
  TableReader(source, fields, origins).read(table, "");
}

std::vector<TomlValue> toml_values(const std::string& text,
                                   const std::string& source) {
  ValueCollector collector(source);
  collector.read(parse(text, source), "");
  return std::move(collector).in_order();
}

void apply_override(const std::string& assignment,
                    const std::vector<Field>& fields, Origins& origins) {
  const size_t equals = assignment.find('=');
  if (equals == std::string::npos) {
    throw user_error("--set {}: write it as key=value", assignment);
  }
  const std::string key = assignment.substr(0, equals);
  const std::string value = assignment.substr(equals + 1);
  const Field* field = find_field(key, fields);
  if (field == nullptr) throw_unknown_key("--set", key, fields);
  bool assigned = false;
  try {
    assigned = assign_text(*field, value, assignment);
  } catch (const UserError&) {
    // Unreadable as TOML: the message below says what would be.
  }
  if (!assigned) {
    throw user_error("--set {}: '{}' must be {}", assignment, key,
                     type_name(*field));
  }
  origins[key] = "--set";
}

std::string write_toml(const std::vector<Field>& fields) {
  return write(fields, false);
}

std::string write_toml_with_help(const std::vector<Field>& fields) {
  return write(fields, true);
}

std::string value_text(const Field& field) {
  struct Text {
    std::string operator()(const bool* v) const {
      return *v ? "true" : "false";
    }
    std::string operator()(const int64_t* v) const {
      return std::to_string(*v);
    }
    std::string operator()(const double* v) const { return double_text(*v); }
    std::string operator()(const std::string* v) const { return quoted(*v); }
  };
  return std::visit(Text{}, field.value);
}

}  // namespace colossus::config
