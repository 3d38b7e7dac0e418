#include "planner/units.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "base/random.h"

namespace colossus::planner {
namespace {

using testing::HasSubstr;

double read(const std::string& text, Unit unit) {
  return parse_quantity(text, unit, "x.toml:7", "gpu.figure");
}

std::string error_of(const std::string& text, Unit unit) {
  try {
    read(text, unit);
  } catch (const UserError& error) {
    return error.what();
  }
  return "no error";
}

TEST(Units, BitsAreAnEighthOfBytes) {
  EXPECT_EQ(read("400 Gb/s", Unit::kBytesPerSecond), 50e9);
  EXPECT_EQ(read("3.35 TB/s", Unit::kBytesPerSecond), 3.35e12);
  EXPECT_EQ(read("8 kb/s", Unit::kBytesPerSecond), 1000);
}

TEST(Units, PrefixesAreDecimalOrBinary) {
  EXPECT_EQ(read("80 GB", Unit::kBytes), 80e9);
  EXPECT_EQ(read("80GiB", Unit::kBytes), 80.0 * (1 << 30));
  EXPECT_EQ(read("81559 MiB", Unit::kBytes), 81559.0 * (1 << 20));
  EXPECT_EQ(read("512 B", Unit::kBytes), 512);
}

TEST(Units, EveryKindHasItsBase) {
  EXPECT_EQ(read("989.4 TFLOP/s", Unit::kFlops), 989.4e12);
  EXPECT_EQ(read("700 W", Unit::kWatts), 700);
  EXPECT_EQ(read("1.3 kW", Unit::kWatts), 1300);
  EXPECT_EQ(read("150 MW", Unit::kWatts), 150e6);
  EXPECT_EQ(read("15 MW/s", Unit::kWattsPerSecond), 15e6);
  EXPECT_EQ(read("2 kWh", Unit::kJoules), 7.2e6);
  EXPECT_EQ(read("2 MJ", Unit::kJoules), 2e6);
  EXPECT_EQ(read("15 min", Unit::kSeconds), 900);
  EXPECT_EQ(read("14 us", Unit::kSeconds), 14e-6);
  EXPECT_EQ(read("122 days", Unit::kSeconds), 122 * 86400);
  EXPECT_EQ(read("2.1 $/h", Unit::kDollarsPerHour), 2.1);
  EXPECT_EQ(read("0.07 $/kWh", Unit::kDollarsPerKilowattHour), 0.07);
  EXPECT_EQ(read("70 $/MWh", Unit::kDollarsPerKilowattHour), 0.07);
  EXPECT_EQ(read("95%", Unit::kShare), 0.95);
  EXPECT_EQ(read("0.95", Unit::kShare), 0.95);
  EXPECT_EQ(read("3.8", Unit::kNumber), 3.8);
}

TEST(Units, CountsTakeTheFieldsSuffixes) {
  EXPECT_EQ(parse_count("32M", "x", "k"), 32'000'000);
  EXPECT_EQ(parse_count("32Mi", "x", "k"), 33'554'432);
  EXPECT_EQ(parse_count("6e12", "x", "k"), 6'000'000'000'000);
  EXPECT_EQ(parse_count("1T", "x", "k"), 1'000'000'000'000);
  EXPECT_EQ(parse_count("15.6T", "x", "k"), 15'600'000'000'000);
  EXPECT_EQ(parse_count("131072", "x", "k"), 131072);
  EXPECT_THAT(error_of("1.5", Unit::kCount), HasSubstr("is not whole"));
}

TEST(Units, AWrongTextIsNamedWithItsPlaceAndWhatItShouldBe) {
  EXPECT_EQ(error_of("400 Gbps", Unit::kBytesPerSecond),
            "x.toml:7: 'gpu.figure' = \"400 Gbps\" has the unknown unit "
            "'Gbps'; it must be a bandwidth such as \"400 Gb/s\" or \"50 "
            "GB/s\"");
  EXPECT_THAT(error_of("400", Unit::kBytesPerSecond), HasSubstr("no unit"));
  EXPECT_THAT(error_of("80 GB", Unit::kBytesPerSecond),
              HasSubstr("unknown unit 'GB'"));
  EXPECT_THAT(error_of("700 mW", Unit::kWatts), HasSubstr("unit 'mW'"));
  EXPECT_THAT(error_of("", Unit::kWatts), HasSubstr("is no figure"));
  EXPECT_THAT(error_of("W", Unit::kWatts), HasSubstr("is no figure"));
  EXPECT_THAT(error_of("nan W", Unit::kWatts), HasSubstr("is no figure"));
  EXPECT_THAT(error_of("inf W", Unit::kWatts), HasSubstr("is no figure"));
  EXPECT_THAT(error_of("-", Unit::kWatts), HasSubstr("is no figure"));
  EXPECT_THAT(error_of("0 W", Unit::kWatts), HasSubstr("is not above 0"));
  EXPECT_THAT(error_of("-3 W", Unit::kWatts), HasSubstr("is not above 0"));
  EXPECT_THAT(error_of("1e999 W", Unit::kWatts), HasSubstr("out of all range"));
  EXPECT_THAT(error_of("9e9 EB", Unit::kBytes), HasSubstr("is beyond 1000 EB"));
  EXPECT_THAT(error_of("1 b/s", Unit::kBytesPerSecond),
              HasSubstr("is below 1 kB/s"));
  EXPECT_THAT(error_of("101%", Unit::kShare), HasSubstr("is beyond 100%"));
  EXPECT_THAT(error_of("80 GB now", Unit::kBytes), HasSubstr("'GB now'"));
}

TEST(Units, ZeroIsReadWhereItIsAllowed) {
  const auto read_or_zero = [](const std::string& text) {
    return parse_quantity(text, Unit::kShare, "x.toml:7", "k", Zero::kAllowed);
  };
  EXPECT_EQ(read_or_zero("0"), 0);
  EXPECT_EQ(read_or_zero("0%"), 0);
  EXPECT_EQ(read_or_zero("4%"), 0.04);
  EXPECT_THROW(read_or_zero("-1%"), UserError);
  EXPECT_THROW(read_or_zero("0 GB"), UserError);
  EXPECT_THROW(read_or_zero("1e-9"), UserError);
}

TEST(Units, AreWrittenWithThreeDigits) {
  EXPECT_EQ(quantity_text(50e9, Unit::kBytesPerSecond), "50 GB/s");
  EXPECT_EQ(quantity_text(3.35e12, Unit::kBytesPerSecond), "3.35 TB/s");
  EXPECT_EQ(quantity_text(999.7e9, Unit::kBytes), "1 TB");
  EXPECT_EQ(quantity_text(999.4e9, Unit::kBytes), "999 GB");
  EXPECT_EQ(quantity_text(989.4e12, Unit::kFlops), "989 TFLOP/s");
  EXPECT_EQ(quantity_text(1300, Unit::kWatts), "1.3 kW");
  EXPECT_EQ(quantity_text(90, Unit::kSeconds), "1.5 min");
  EXPECT_EQ(quantity_text(0.0031416, Unit::kSeconds), "3.14 ms");
  EXPECT_EQ(quantity_text(12345678 * 86400.0, Unit::kSeconds), "12300000 days");
  EXPECT_EQ(quantity_text(3.6e9, Unit::kJoules), "1 MWh");
  EXPECT_EQ(quantity_text(0.953, Unit::kShare), "95.3%");
  EXPECT_EQ(quantity_text(131072, Unit::kCount), "131k");
  EXPECT_EQ(quantity_text(6e12, Unit::kCount), "6T");
  EXPECT_EQ(quantity_text(2.1, Unit::kDollarsPerHour), "2.1 $/h");
  EXPECT_EQ(quantity_text(0.0712, Unit::kDollarsPerKilowattHour),
            "0.0712 $/kWh");
  EXPECT_EQ(quantity_text(0, Unit::kSeconds), "0 s");
}

TEST(Units, WhatIsWrittenReadsBackToThreeDigits) {
  const std::pair<Unit, double> kinds[] = {
      {Unit::kNumber, 1},           {Unit::kBytes, 1e9},
      {Unit::kBytesPerSecond, 1e9}, {Unit::kFlops, 1e14},
      {Unit::kWatts, 1e3},          {Unit::kJoules, 1e6},
      {Unit::kSeconds, 1},          {Unit::kDollarsPerHour, 1}};
  for (uint64_t i = 0; i < 4000; ++i) {
    const auto& [unit, middle] = kinds[i % std::size(kinds)];
    const double value =
        middle * std::pow(10, 10 * random_uniform(1, 0, i) - 5);
    const std::string text = quantity_text(value, unit);
    EXPECT_NEAR(read(text, unit) / value, 1, 0.00501) << text;
  }
}

}  // namespace
}  // namespace colossus::planner
