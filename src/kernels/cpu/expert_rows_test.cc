// Mixing the experts' rows and its gradients, against plain loops in double.
#include <cmath>

#include "kernels/cpu/router.h"
#include "kernels/cpu/rows_testing.h"

namespace colossus::kernels::cpu {
namespace {

constexpr int64_t kRows = 7, kDim = 22, kSelected = 2, kExperts = 3;
constexpr int64_t kSlots = kRows * kSelected;
constexpr float kScale = 0.7f;

// Every slot once, in an order of no meaning.
std::vector<int32_t> slots() {
  std::vector<int32_t> result;
  for (int32_t i = 0; i < kSlots; ++i) result.push_back(i * 5 % kSlots);
  return result;
}

// The mixture's data; `dense` says whether there is a dense part.
struct Mixture {
  Floats y_slots = random_floats(kSlots * kDim, 1);
  Floats weight = random_floats(kSlots, 2);
  Floats dense = random_floats(kRows * kDim, 3);
  Floats dy = random_floats(kRows * kDim, 4);
  Floats y = floats(kRows * kDim), dy_slots = floats(kSlots * kDim);
  Floats dweight = floats(kSlots), ddense = y;
  std::vector<int32_t> slot = slots();

  void forward(const Context& context, bool with_dense) {
    expert_combine_forward(
        context,
        {kRows, kDim, kSelected, kScale, y_slots.data(), slot.data(),
         weight.data(), with_dense ? dense.data() : nullptr, y.data()});
  }
  void backward(const Context& context, float* into, bool with_dense) {
    expert_combine_backward(
        context, {kRows, kDim, kSelected, kScale, dy.data(), y_slots.data(),
                  slot.data(), weight.data(), into, dweight.data(),
                  with_dense ? ddense.data() : nullptr});
  }
  // Of row r's choice s, column d.
  size_t slot_element(size_t r, size_t s, size_t d) const {
    return static_cast<size_t>(slot[r * kSelected + s]) * kDim + d;
  }
};

TEST(ExpertCombine, ForwardIsTheWeightedSum) {
  TestContext context;
  for (const bool with_dense : {false, true}) {
    Mixture x;
    x.forward(context, with_dense);
    std::vector<double> want(x.y.size());
    for (size_t i = 0; i < want.size(); ++i) {
      const size_t r = i / kDim, d = i % kDim;
      double sum = with_dense ? x.dense[i] : 0.0;
      for (size_t s = 0; s < kSelected; ++s) {
        sum += 1.0 * x.weight[r * kSelected + s] *
               x.y_slots[x.slot_element(r, s, d)];
      }
      want[i] = sum * kScale;
    }
    expect_near(x.y, want, 1e-6);
  }
}

TEST(ExpertCombine, BackwardIsTheProductRule) {
  TestContext context;
  Mixture x;
  x.backward(context, x.dy_slots.data(), true);
  for (size_t r = 0; r < kRows; ++r) {
    for (size_t s = 0; s < kSelected; ++s) {
      double dweight = 0;
      const size_t choice = r * kSelected + s;
      for (size_t d = 0; d < kDim; ++d) {
        const double dy = 1.0 * x.dy[r * kDim + d] * kScale;
        dweight += dy * x.y_slots[x.slot_element(r, s, d)];
        EXPECT_NEAR(x.dy_slots[x.slot_element(r, s, d)], dy * x.weight[choice],
                    1e-6);
        EXPECT_NEAR(x.ddense[r * kDim + d], dy, 1e-6);
      }
      EXPECT_NEAR(x.dweight[choice], dweight, 1e-5);
    }
  }
}

TEST(ExpertCombine, BackwardWorksInPlace) {
  TestContext context;
  Mixture apart, in_place;
  apart.backward(context, apart.dy_slots.data(), false);
  in_place.backward(context, in_place.y_slots.data(), false);
  EXPECT_TRUE(same_bits(apart.dy_slots, in_place.y_slots));
  EXPECT_TRUE(same_bits(apart.dweight, in_place.dweight));
}

TEST(ExpertInput, BackwardAddsTheRouterAndAllChoices) {
  TestContext context;
  for (const bool with_dense : {false, true}) {
    Mixture x;
    const Floats dlogits = random_floats(kRows * kExperts, 5);
    const Floats w = random_floats(kExperts * kDim, 6);
    expert_input_backward(context,
                          {kRows, kDim, kExperts, kSelected, x.y_slots.data(),
                           x.slot.data(), dlogits.data(), w.data(),
                           with_dense ? x.dense.data() : nullptr, x.y.data()});
    std::vector<double> want(x.y.size());
    for (size_t i = 0; i < want.size(); ++i) {
      const size_t r = i / kDim, d = i % kDim;
      want[i] = with_dense ? x.dense[i] : 0.0;
      for (size_t e = 0; e < kExperts; ++e) {
        want[i] += 1.0 * dlogits[r * kExperts + e] * w[e * kDim + d];
      }
      for (size_t s = 0; s < kSelected; ++s) {
        want[i] += x.y_slots[x.slot_element(r, s, d)];
      }
    }
    expect_near(x.y, want, 1e-6);
  }
}

TEST(ExpertCombine, HasOneAnswerForAllThreadsAndTargets) {
  expect_one_answer(
      "bcbe0e9d3c99a377548acbc54802a67f", [](const Context& context) {
        Mixture x;
        x.forward(context, true);
        x.backward(context, x.dy_slots.data(), true);
        Floats all = x.y;
        for (const Floats* part : {&x.dy_slots, &x.dweight, &x.ddense}) {
          all.insert(all.end(), part->begin(), part->end());
        }
        return all;
      });
}

}  // namespace
}  // namespace colossus::kernels::cpu
