#include "base/fields.h"

#include <gtest/gtest.h>

namespace colossus {
namespace {

struct Inner {
  int64_t count = 3;
  double rate = 0.5;
  template <typename Visitor>
  void visit_fields(Visitor& v) {
    v.field("count", count, "how many");
    v.field("rate", rate, "how fast");
  }
};

struct Outer {
  bool on = true;
  Inner inner;
  std::string name = "x";
  template <typename Visitor>
  void visit_fields(Visitor& v) {
    v.field("on", on, "whether");
    v.section("inner", inner);
    v.field("name", name, "called");
  }
};

TEST(Fields, AreListedInOrderWithTheirFullKeys) {
  Outer outer;
  std::vector<std::string> names;
  for (const Field& field : fields_of(outer)) names.push_back(field.name);
  EXPECT_EQ(names, (std::vector<std::string>{"on", "inner.count", "inner.rate",
                                             "name"}));
}

TEST(Fields, PointIntoTheStruct) {
  Outer outer;
  const std::vector<Field> fields = fields_of(outer);
  *std::get<int64_t*>(fields[1].value) = 7;
  EXPECT_EQ(outer.inner.count, 7);
  EXPECT_EQ(*std::get<std::string*>(fields[3].value), "x");
  EXPECT_EQ(fields[2].help, "how fast");
}

}  // namespace
}  // namespace colossus
