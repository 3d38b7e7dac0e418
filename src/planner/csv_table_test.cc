#include "planner/csv_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace colossus::planner {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string error_of(const std::string& text) {
  try {
    read_csv(text, "x.csv");
  } catch (const UserError& error) {
    return error.what();
  }
  return "no error";
}

TEST(Csv, HasNamesAndRowsWithTheirLines) {
  const CsvTable table = read_csv("a,b\n1,2\n\n,4\n", "x.csv");
  EXPECT_THAT(table.columns, ElementsAre("a", "b"));
  ASSERT_EQ(table.rows.size(), 2U);
  EXPECT_EQ(table.rows[0].line, 2);
  EXPECT_THAT(table.rows[0].cells, ElementsAre("1", "2"));
  EXPECT_EQ(table.rows[1].line, 4);
  EXPECT_THAT(table.rows[1].cells, ElementsAre("", "4"));
}

TEST(Csv, QuotedCellsHoldCommasQuotesAndLineEnds) {
  const CsvTable table = read_csv(
      "a,b\n\"x, y\",\"he said \"\"no\"\"\"\n\"1\n2\n3\",4\n5,\"\"\n", "x.csv");
  ASSERT_EQ(table.rows.size(), 3U);
  EXPECT_THAT(table.rows[0].cells, ElementsAre("x, y", "he said \"no\""));
  EXPECT_EQ(table.rows[1].line, 3);
  EXPECT_THAT(table.rows[1].cells, ElementsAre("1\n2\n3", "4"));
  EXPECT_EQ(table.rows[2].line, 6);
  EXPECT_THAT(table.rows[2].cells, ElementsAre("5", ""));
}

TEST(Csv, TakesWindowsLineEndsABomAndNoLineEndAtTheEnd) {
  const CsvTable table = read_csv(
      "\xef\xbb\xbf"
      "a,b\r\n1,2\r\n3,4",
      "x.csv");
  EXPECT_THAT(table.columns, ElementsAre("a", "b"));
  ASSERT_EQ(table.rows.size(), 2U);
  EXPECT_EQ(table.rows[1].line, 3);
  EXPECT_THAT(table.rows[1].cells, ElementsAre("3", "4"));
}

TEST(Csv, CountsLinesThatEndInReturnsAlone) {
  const CsvTable table = read_csv("a,b\r1,2\r\r3,\"4\r5\"\r6,7", "x.csv");
  ASSERT_EQ(table.rows.size(), 3U);
  EXPECT_EQ(table.rows[0].line, 2);
  EXPECT_EQ(table.rows[1].line, 4);
  EXPECT_EQ(table.rows[2].line, 6);
}

TEST(Csv, NamesTheLineOfWhatIsMalformed) {
  EXPECT_THAT(error_of("a,b\n1,2\n1,2,3\n"),
              HasSubstr("x.csv:3: 3 cells, and there are 2 columns"));
  EXPECT_THAT(error_of("a,b\n1\n"), HasSubstr("x.csv:2: 1 cells"));
  EXPECT_THAT(error_of("a,b\n1,\"2\n3,4\n"), HasSubstr("x.csv:2: "));
  EXPECT_THAT(error_of("a,b\n1,2\n3,4\"5\n"), HasSubstr("x.csv:3: "));
  EXPECT_THAT(error_of("a,b\n1,\"2\"3\n"), HasSubstr("x.csv:2: "));
  EXPECT_THAT(error_of(""), HasSubstr("no line of column names"));
  EXPECT_THAT(error_of("\n\n"), HasSubstr("no line of column names"));
}

TEST(Csv, IsBounded) {
  EXPECT_THAT(error_of(std::string(300, ',')), HasSubstr("256 columns"));
  EXPECT_THAT(error_of(std::string(size_t{17} << 20, 'a')),
              HasSubstr("are read"));
  std::string long_table = "a\n";
  for (int i = 0; i < 100'001; ++i) long_table += "1\n";
  EXPECT_THAT(error_of(long_table), HasSubstr("more than 100000 rows"));
}

}  // namespace
}  // namespace colossus::planner
