#include "config/toml.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "base/random.h"

namespace colossus::config {
namespace {

using testing::HasSubstr;

struct Part {
  bool flag = false;
  int64_t steps = 7;
  double rate = 0.5;
  std::string text = "none";

  template <typename Visitor>
  void visit_fields(Visitor& v) {
    v.field("flag", flag, "a flag");
    v.field("steps", steps, "a count");
    v.field("rate", rate, "a number");
    v.field("text", text, "words");
  }
};

struct Whole {
  Part run;
  Part other;

  template <typename Visitor>
  void visit_fields(Visitor& v) {
    v.section("run", run);
    v.section("other", other);
  }
};

struct TomlTest : testing::Test {
  Whole whole;
  std::vector<Field> fields = fields_of(whole);
  Origins origins;

  void read(const std::string& text) {
    read_toml(text, "x.toml", fields, origins);
  }
  std::string error_of_reading(const std::string& text) {
    try {
      read(text);
    } catch (const UserError& error) {
      return error.what();
    }
    return "no error";
  }
  std::string error_of_setting(const std::string& assignment) {
    try {
      apply_override(assignment, fields, origins);
    } catch (const UserError& error) {
      return error.what();
    }
    return "no error";
  }
};

TEST_F(TomlTest, ReadsEveryTypeAndSaysWhereFrom) {
  read("[run]\nflag = true\nsteps = 12\nrate = 1e-3\ntext = \"a b\"\n");
  EXPECT_TRUE(whole.run.flag);
  EXPECT_EQ(whole.run.steps, 12);
  EXPECT_EQ(whole.run.rate, 1e-3);
  EXPECT_EQ(whole.run.text, "a b");
  EXPECT_EQ(origins["run.steps"], "x.toml:3");
  EXPECT_FALSE(origins.contains("other.steps"));
}

TEST_F(TomlTest, ReadsDottedKeysAndInlineTables) {
  read("run.steps = 3\nother = {steps = 4, rate = 2}\n");
  EXPECT_EQ(whole.run.steps, 3);
  EXPECT_EQ(whole.other.steps, 4);
  EXPECT_EQ(whole.other.rate, 2.0);
}

TEST_F(TomlTest, TakesAnIntegerForADouble) {
  read("run.rate = 3");
  EXPECT_EQ(whole.run.rate, 3.0);
}

TEST_F(TomlTest, RefusesAFractionForAnInteger) {
  EXPECT_EQ(error_of_reading("\n[run]\nsteps = 3.0"),
            "x.toml:3: 'run.steps' must be an integer, not a number with a "
            "fraction");
}

TEST_F(TomlTest, RefusesEveryOtherWrongType) {
  EXPECT_THAT(error_of_reading("run.flag = 1"), HasSubstr("true or false"));
  EXPECT_THAT(error_of_reading("run.text = 1"), HasSubstr("a string"));
  EXPECT_THAT(error_of_reading("run.rate = \"1\""), HasSubstr("a number"));
  EXPECT_THAT(error_of_reading("run.steps = [1]"), HasSubstr("an array"));
  EXPECT_THAT(error_of_reading("run.steps.x = 1"), HasSubstr("a table"));
  EXPECT_THAT(error_of_reading("run = 1"), HasSubstr("is a section"));
  EXPECT_THAT(error_of_reading("run.text = 2020-01-01"), HasSubstr("a date"));
}

TEST_F(TomlTest, NamesTheNearestKey) {
  EXPECT_EQ(error_of_reading("[run]\nstepz = 3"),
            "x.toml:2: unknown key 'run.stepz'; did you mean 'run.steps'?");
  EXPECT_THAT(error_of_reading("steps = 3"), HasSubstr("'run.steps'"));
  EXPECT_THAT(error_of_reading("[rnu]\nsteps = 3"), HasSubstr("'run.steps'"));
}

TEST_F(TomlTest, RefusesAQuotedDottedKey) {
  EXPECT_THAT(error_of_reading("\"run.steps\" = 3"), HasSubstr("quotes"));
}

TEST_F(TomlTest, RefusesDuplicatesWithTheirLine) {
  EXPECT_THAT(error_of_reading("[run]\nsteps = 3\nsteps = 4"),
              HasSubstr("x.toml:3: "));
}

TEST_F(TomlTest, RefusesBrokenSyntaxWithItsLine) {
  EXPECT_THAT(error_of_reading("[run]\nsteps ="), HasSubstr("x.toml:2: "));
}

TEST_F(TomlTest, RefusesIntegersOver64Bits) {
  EXPECT_NE(error_of_reading("run.steps = 9223372036854775808"), "no error");
}

TEST_F(TomlTest, RefusesTextsThatAreTooDeep) {
  const std::string brackets(2000, '[');
  EXPECT_NE(error_of_reading("run.steps = " + brackets), "no error");
  std::string dotted = "a";
  for (int i = 0; i < 30'000; ++i) dotted += ".a";
  EXPECT_THAT(error_of_reading(dotted + " = 1"), HasSubstr("dots"));
}

TEST_F(TomlTest, SurvivesTheDeepestTextItTakes) {
  std::string dotted = "a";
  for (int i = 0; i < 4'000; ++i) dotted += ".a";
  EXPECT_THAT(error_of_reading(dotted + " = 1"), HasSubstr("unknown key"));
}

TEST_F(TomlTest, RefusesTextsThatAreTooLong) {
  EXPECT_THAT(error_of_reading("#" + std::string(70'000, 'x')),
              HasSubstr("at most"));
}

TEST_F(TomlTest, SetOverridesAndSaysSo) {
  read("run.steps = 3");
  apply_override("run.steps=2000", fields, origins);
  EXPECT_EQ(whole.run.steps, 2000);
  EXPECT_EQ(origins["run.steps"], "--set");
}

TEST_F(TomlTest, SetTakesABareWordForAString) {
  apply_override("run.text=runs/a b=c", fields, origins);
  EXPECT_EQ(whole.run.text, "runs/a b=c");
  apply_override("run.text=12", fields, origins);
  EXPECT_EQ(whole.run.text, "12");
  apply_override("run.text=", fields, origins);
  EXPECT_EQ(whole.run.text, "");
  apply_override("run.text=\"a\\n\"", fields, origins);
  EXPECT_EQ(whole.run.text, "a\n");
}

TEST_F(TomlTest, SetRefusesWhatTheFileWouldRefuse) {
  EXPECT_EQ(error_of_setting("run.steps=x"),
            "--set run.steps=x: 'run.steps' must be an integer");
  EXPECT_THAT(error_of_setting("run.steps="), HasSubstr("an integer"));
  EXPECT_THAT(error_of_setting("run.steps=1.5"), HasSubstr("an integer"));
  EXPECT_THAT(error_of_setting("run.steps"), HasSubstr("key=value"));
  EXPECT_THAT(error_of_setting("run.stpes=1"), HasSubstr("'run.steps'"));
  EXPECT_THAT(error_of_setting("run.text=\"open"), HasSubstr("a string"));
}

TEST_F(TomlTest, SetCannotSmuggleASecondKey) {
  EXPECT_NE(error_of_setting("run.steps=1\nother.steps=2"), "no error");
  EXPECT_EQ(whole.other.steps, 7);
}

TEST_F(TomlTest, WritesSectionsAndHelp) {
  EXPECT_THAT(
      write_toml(fields),
      testing::StartsWith(
          "[run]\nflag = false\nsteps = 7\nrate = 0.5\ntext = \"none\"\n"));
  EXPECT_THAT(write_toml_with_help(fields), HasSubstr("# a count"));
}

TEST_F(TomlTest, ReadsBackWhatItWroteToTheLastBit) {
  std::vector<double> values = {
      0.0,         -0.0,
      1.0 / 3,     1e300,
      5e-324,      123456789.0,
      208533496.0, 1e16,
      1e22,        std::numeric_limits<double>::max()};
  for (uint64_t i = 0; i < 2000; ++i) {
    const auto value = std::bit_cast<double>(random_bits(1, 2, i));
    if (std::isfinite(value)) values.push_back(value);
  }
  for (const double value : values) {
    whole.run.rate = value;
    const std::string text = write_toml(fields);
    whole.run.rate = 0.25;
    read(text);
    EXPECT_EQ(std::bit_cast<uint64_t>(whole.run.rate),
              std::bit_cast<uint64_t>(value))
        << text;
  }
}

TEST_F(TomlTest, ReadsBackEveryKindOfText) {
  for (const std::string text :
       {"", "\"", "\\", "a\nb\tc", "\x01\x1f\x7f", "κόσμε", "'", "#", "]"}) {
    whole.run.text = text;
    const std::string written = write_toml(fields);
    whole.run.text = "other";
    read(written);
    EXPECT_EQ(whole.run.text, text);
  }
}

TEST_F(TomlTest, ReadsBackTheOutermostIntegers) {
  for (const int64_t value : {INT64_MIN, INT64_MAX}) {
    whole.run.steps = value;
    const std::string written = write_toml(fields);
    whole.run.steps = 0;
    read(written);
    EXPECT_EQ(whole.run.steps, value);
  }
}

std::string values_text(const std::string& text) {
  std::string all;
  for (const TomlValue& value : toml_values(text, "x.toml")) {
    all += value.where + " " + value.key + " = " + value.text + "\n";
  }
  return all;
}

TEST(TomlValues, AreAllValuesInTheOrderOfTheText) {
  EXPECT_EQ(values_text("z = 1_000\n[b]\nx = '2 GB'\n[a.c-d]\ny = 0.5\n"
                        "2024-09-01 = true\n"),
            "x.toml:1 z = 1000\nx.toml:3 b.x = 2 GB\nx.toml:5 a.c-d.y = 0.5\n"
            "x.toml:6 a.c-d.2024-09-01 = true\n");
}

TEST(TomlValues, RefuseWhatIsNoStringOrNumber) {
  EXPECT_THROW(values_text("a = [1]"), UserError);
  EXPECT_THROW(values_text("a = 2024-09-01"), UserError);
  EXPECT_THROW(values_text("'a.b' = 1"), UserError);
  EXPECT_THROW(values_text("a = 1\na = 2"), UserError);
  EXPECT_THROW(values_text(std::string(100, 'a') + " = 1"), UserError);
}

}  // namespace
}  // namespace colossus::config
