// TOML in, TOML out, for anything with a field list (base/fields.h).
//
// Reading is strict: an unknown key is an error that names the nearest one, a
// value of the wrong type one that names file, line, key and both types.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/fields.h"

namespace colossus::config {

// Where each key's value came from: "default", "configs/kjv.toml:12", "--set".
using Origins = std::map<std::string, std::string>;

// Sets the fields that `text` names; `source` is its name in messages.
// Throws UserError.
void read_toml(const std::string& text, const std::string& source,
               const std::vector<Field>& fields, Origins& origins);

// "run.steps=2000": the value is TOML; a bare word is taken as a string where
// the field is one.
void apply_override(const std::string& assignment,
                    const std::vector<Field>& fields, Origins& origins);

// A value of a text whose keys are not known beforehand.
struct TomlValue {
  std::string key;    // the whole path: "network.tier.leaf.gpus"
  std::string text;   // a string's characters, or the value as TOML writes it
  std::string where;  // "cluster.toml:12"
};

// All values, in the order of the text. An array, a date or a quoted key with a
// dot in it is a UserError.
std::vector<TomlValue> toml_values(const std::string& text,
                                   const std::string& source);

// One [section] a component, every field, in the order of the list. Reading it
// back gives the same values to the last bit.
std::string write_toml(const std::vector<Field>& fields);

// The same with each field's help as a comment behind it.
std::string write_toml_with_help(const std::vector<Field>& fields);

// The value as TOML writes it.
std::string value_text(const Field& field);

}  // namespace colossus::config
