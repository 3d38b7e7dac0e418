#include "planner/sensitivity.h"

#include "planner/step_cost.h"

namespace colossus::planner {
namespace {

constexpr double kChange = 0.01;

struct ScaledFigure {
  const char* name;
  void (*scale)(Cluster& cluster, double factor);
};

void scale_peaks(Cluster& cluster, double factor) {
  Device& device = cluster.device;
  for (double* peak : {&device.peak_fp32, &device.peak_tf32, &device.peak_bf16,
                       &device.peak_fp16, &device.peak_fp8, &device.peak_fp4}) {
    *peak *= factor;
  }
}

void scale_network(Cluster& cluster, double factor) {
  cluster.node.nic_bandwidth *= factor;
  for (NetworkTier& tier : cluster.network.tiers) tier.bandwidth *= factor;
}

void scale_latency(Cluster& cluster, double factor) {
  for (NetworkTier& tier : cluster.network.tiers) tier.latency *= factor;
}

constexpr ScaledFigure kFigures[] = {
    {"peak of matrix units", scale_peaks},
    {"memory bandwidth",
     [](Cluster& c, double factor) { c.device.memory_bandwidth *= factor; }},
    {"NVLink bandwidth",
     [](Cluster& c, double factor) { c.device.nvlink_bandwidth *= factor; }},
    {"network bandwidth", scale_network},
    {"network latency", scale_latency}};

double step_seconds(const PlanRequest& request, const Layout& layout) {
  const PlanWorkload workload(request);
  return step_cost(workload.of(layout), request.calibration).seconds;
}

}  // namespace

std::vector<Sensitivity> sensitivities_of(const PlanRequest& request,
                                          const Layout& layout,
                                          LayoutSearch& search) {
  const double before = step_seconds(request, layout);
  std::vector<Sensitivity> list;
  for (const ScaledFigure& figure : kFigures) {
    PlanRequest changed = request;
    figure.scale(changed.cluster.cluster, 1 + kChange);
    const double after = step_seconds(changed, layout);
    list.push_back({figure.name, kChange, after / before - 1, false});
  }
  const double more =
      (1 + kChange) * request.cluster.cluster.device.memory_bytes;
  const double after =
      search.best(SearchGoal::kFastestThatFit, 1, more).front().seconds;
  list.push_back({"memory size", kChange, after / before - 1, true});
  return list;
}

}  // namespace colossus::planner
