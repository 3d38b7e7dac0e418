#include "planner/goodput_validation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>

#include "base/error.h"

namespace colossus::planner {
namespace {

using testing::HasSubstr;

const ScoredGoodput& row(const std::vector<ScoredGoodput>& all,
                         const std::string& id) {
  for (const ScoredGoodput& scored : all) {
    if (scored.id == id) return scored;
  }
  throw std::runtime_error("no row " + id);
}

std::string error_of(const std::string& text) {
  try {
    validate_goodput(text, "x.toml");
  } catch (const UserError& error) {
    return error.what();
  }
  return "no error";
}

// The figures computed in the collection that the rows come from.
TEST(GoodputValidation, GivesWhatTheCollectionComputed) {
  const std::vector<ScoredGoodput> all = validate_goodput();
  const std::pair<const char*, double> expected[] = {
      {"V2a", 1.803},  {"V2b", 0.225}, {"V3", 0.932},  {"V3b1", 0.960},
      {"V3b2", 0.919}, {"V4a", 0.898}, {"V4b", 0.921}, {"V5", 0.939},
      {"V6a", 0.444},  {"V6b", 0.833}, {"V7", 0.818},  {"V12", 0.938}};
  for (const auto& [id, value] : expected) {
    EXPECT_NEAR(row(all, id).computed, value, 0.0006) << id;
  }
}

// 54 x 1440 / 466 = 166.87 min between stops; a tenth of it may be lost.
TEST(GoodputValidation, SaysWhatAStopMayCost) {
  const std::vector<ScoredGoodput> all = validate_goodput();
  const ScoredGoodput& llama = row(all, "V1");
  EXPECT_NEAR(llama.between_seconds / 60, 166.87, 0.01);
  EXPECT_NEAR(llama.allowed_seconds / 60, 16.69, 0.01);
  EXPECT_TRUE(llama.holds);
  EXPECT_EQ(row(all, "V2a").allowed_seconds, 0);
  // 18 and 10 min: 44.4% of the wall's clock, 64.3% if 18 min are all running.
  EXPECT_NEAR(row(all, "V6a").computed_of_uptime, 0.643, 0.001);
}

TEST(GoodputValidation, CoversV1ToV9) {
  const std::vector<ScoredGoodput> all = validate_goodput();
  for (int i = 1; i <= 9; ++i) {
    const std::string id = "V" + std::to_string(i);
    // "V3b1" is of V3, "V12" is not of V1.
    const auto is_of_it = [&](const ScoredGoodput& scored) {
      const bool has_end = scored.id.size() > id.size();
      return scored.id.starts_with(id) &&
             !(has_end && std::isdigit(scored.id[id.size()]));
    };
    EXPECT_TRUE(std::any_of(all.begin(), all.end(), is_of_it)) << id;
  }
}

// (1 - s/30)^2 with s = 15.46: 0.2349; and a hardware model that knows no
// people: far above what Ant had.
TEST(GoodputValidation, ShowsWhereFormulasFail) {
  const std::vector<ScoredGoodput> all = validate_goodput();
  EXPECT_NEAR(row(all, "V8").computed, 0.2349, 1e-4);
  EXPECT_NEAR(row(all, "V8").error, 0.2349 / 0.302 - 1, 1e-3);
  // Daly: e^(-143/533) x (d/533) / (e^((d+10)/533) - 1) at d = 96.6 min.
  EXPECT_NEAR(row(all, "V9a").computed, 0.6263, 5e-4);
  EXPECT_GT(row(all, "V9b").error, 0.5);
}

TEST(GoodputValidation, NamesWhatARowLacks) {
  EXPECT_THAT(error_of("[A]\nformula = 'wall'\nrelation = 'about'\n"
                       "published = 0.5\ntime_between = '1 h'\n"),
              HasSubstr("x.toml: 'A.downtime' is missing"));
  EXPECT_THAT(error_of("[A]\nformula = 'guess'\nrelation = 'about'\n"
                       "published = 0.5\ntime_between = '1 h'\n"),
              HasSubstr("'A.formula' = \"guess\" is none of"));
  EXPECT_THAT(error_of("[A]\nrelation = 'like'\npublished = 0.5\n"),
              HasSubstr("must be about or above"));
  EXPECT_THAT(error_of("[A]\nstop = 3\n"),
              HasSubstr("x.toml:2: unknown key 'A.stop'; did you mean"));
  EXPECT_THAT(error_of("published = 1\n"), HasSubstr("stands in no section"));
}

}  // namespace
}  // namespace colossus::planner
