// A request as the input of the planner's costs, for one layout after another.
#pragma once

#include "planner/plan_request.h"
#include "planner/workload.h"

namespace colossus::planner {

// Refers to the request, which must outlive it.
class PlanWorkload {
 public:
  explicit PlanWorkload(const PlanRequest& request);
  PlanWorkload(const PlanWorkload&) = delete;
  PlanWorkload& operator=(const PlanWorkload&) = delete;

  // The layout keeps the rules of layout.h. Refers to this object.
  Workload of(const Layout& layout) const;

  const Machine& machine() const { return machine_; }
  const SoftwareDefaults& software() const { return software_; }
  // Decoder layers, MTP's among them.
  int64_t num_layers() const;

 private:
  const PlanRequest& request_;
  Machine machine_;
  SoftwareDefaults software_;
};

}  // namespace colossus::planner
