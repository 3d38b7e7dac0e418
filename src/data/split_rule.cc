#include "data/split_rule.h"

#include <charconv>

#include "base/error.h"

namespace colossus::data {
namespace {

bool parse_whole(std::string_view text, int64_t& value) {
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, value);
  return result.ec == std::errc() && result.ptr == end;
}

}  // namespace

EveryRule parse_every_rule(const std::string& text, const std::string& flag) {
  EveryRule rule;
  if (text.empty()) return rule;
  const std::string_view all = text;
  const size_t colon = all.find(':');
  const bool fits = colon != std::string_view::npos &&
                    parse_whole(all.substr(0, colon), rule.modulus) &&
                    parse_whole(all.substr(colon + 1), rule.remainder) &&
                    rule.remainder >= 0 && rule.remainder < rule.modulus;
  if (!fits) {
    throw user_error(
        "{} {}: must be N:K with 0 <= K < N, for the documents whose number "
        "from 0 is K mod N",
        flag, text);
  }
  return rule;
}

Split SplitRule::split_of(int64_t number, const Hash128& content) const {
  if (exclude_every.matches(number)) return Split::kExcluded;
  if (val_every.modulus > 0) {
    return val_every.matches(number) ? Split::kVal : Split::kTrain;
  }
  constexpr double kTwoTo53 = 9007199254740992.0;
  const double position = static_cast<double>(content.high >> 11) / kTwoTo53;
  return position < val_fraction ? Split::kVal : Split::kTrain;
}

}  // namespace colossus::data
