#include "base/strings.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>

namespace colossus {
namespace {

TEST(Strings, EditDistanceCountsEachKindOfSlipOnce) {
  EXPECT_EQ(edit_distance("steps", "steps"), 0);
  EXPECT_EQ(edit_distance("steps", "step"), 1);
  EXPECT_EQ(edit_distance("steps", "stepps"), 1);
  EXPECT_EQ(edit_distance("steps", "staps"), 1);
  EXPECT_EQ(edit_distance("steps", "setps"), 1);
  EXPECT_EQ(edit_distance("", "abc"), 3);
  EXPECT_EQ(edit_distance("abc", ""), 3);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3);
}

TEST(Strings, TheNearestNameIsMeant) {
  const std::vector<std::string> names = {"run.seed", "run.steps",
                                          "model.model_dim"};
  EXPECT_EQ(nearest_name("run.stpes", names), "run.steps");
  EXPECT_EQ(nearest_name("steps", names), "run.steps");
  EXPECT_EQ(nearest_name("model.modeldim", names), "model.model_dim");
  EXPECT_EQ(nearest_name("entirely_different", names), "");
  EXPECT_EQ(nearest_name("anything", {}), "");
}

TEST(Strings, ASuggestionIsMadeOnlyIfThereIsOne) {
  EXPECT_EQ(did_you_mean("stesp", {"steps"}), "; did you mean 'steps'?");
  EXPECT_EQ(did_you_mean("xyzzy", {"steps"}), "");
}

TEST(Strings, ThousandsAreSeparated) {
  EXPECT_EQ(with_thousands(0), "0");
  EXPECT_EQ(with_thousands(999), "999");
  EXPECT_EQ(with_thousands(1000), "1,000");
  EXPECT_EQ(with_thousands(-123456), "-123,456");
  EXPECT_EQ(with_thousands(1234567), "1,234,567");
  EXPECT_EQ(with_thousands(std::numeric_limits<int64_t>::min()),
            "-9,223,372,036,854,775,808");
}

TEST(Strings, BytesAreForPeople) {
  EXPECT_EQ(human_bytes(17), "17 B");
  EXPECT_EQ(human_bytes(1024), "1.00 KiB");
  EXPECT_EQ(human_bytes(3221225472), "3.00 GiB");
  EXPECT_EQ(human_bytes(uint64_t{5} << 50), "5120.00 TiB");
}

TEST(Strings, SecondsAreForPeople) {
  EXPECT_EQ(human_seconds(4.2), "4s");
  EXPECT_EQ(human_seconds(75), "1m15s");
  EXPECT_EQ(human_seconds(59.6), "1m00s");
  EXPECT_EQ(human_seconds(3723.4), "1h02m");
  EXPECT_EQ(human_seconds(-1), "?");
  EXPECT_EQ(human_seconds(std::numeric_limits<double>::infinity()), "?");
}

}  // namespace
}  // namespace colossus
