// Which documents train, which validate, which are left out.
#pragma once

#include <cstdint>
#include <string>

#include "base/hash.h"

namespace colossus::data {

enum class Split { kTrain, kVal, kExcluded };

// "20:7": the documents whose number is 7 mod 20. Modulus 0 = no document.
struct EveryRule {
  int64_t modulus = 0;
  int64_t remainder = 0;
  bool matches(int64_t number) const {
    return modulus > 0 && number % modulus == remainder;
  }
};

// "" gives the rule that matches nothing. UserError naming `flag` unless `text`
// is N:K with 0 <= K < N.
EveryRule parse_every_rule(const std::string& text, const std::string& flag);

// A document is excluded if `exclude_every` matches; else, if there is a rule
// `val_every`, that decides; else its content: the share `val_fraction` of all
// hashes validates, so that equal documents go the same way.
struct SplitRule {
  EveryRule exclude_every;
  EveryRule val_every;
  double val_fraction = 0;

  bool by_content() const { return val_every.modulus == 0 && val_fraction > 0; }
  Split split_of(int64_t number, const Hash128& content) const;
};

}  // namespace colossus::data
