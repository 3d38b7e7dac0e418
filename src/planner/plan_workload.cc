#include "planner/plan_workload.h"

namespace colossus::planner {

PlanWorkload::PlanWorkload(const PlanRequest& request)
    : request_(request),
      machine_(machine_of(request.cluster.cluster)),
      software_(request.software()) {}

int64_t PlanWorkload::num_layers() const {
  return request_.model.num_layers + request_.model.num_mtp_layers;
}

Workload PlanWorkload::of(const Layout& layout) const {
  Workload workload;
  workload.model = &request_.model;
  workload.machine = &machine_;
  workload.layout = layout;
  workload.recomputation = recomputation_of(layout);
  workload.software = software_.software;
  workload.arithmetic = request_.arithmetic();
  workload.stages = stage_layers(num_layers(), layout);
  workload.global_batch_sequences =
      static_cast<double>(request_.global_batch_sequences);
  workload.seq_len = static_cast<double>(request_.seq_len);
  return workload;
}

}  // namespace colossus::planner
