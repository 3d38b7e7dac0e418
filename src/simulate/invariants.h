// What must hold after every event, whatever fails. A breach throws Violation;
// docs/prover.md lists them.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "coordinator/core.h"
#include "simulate/cluster.h"
#include "simulate/function.h"

namespace colossus::simulate {

struct Violation {
  std::string what;
};

class Invariants {
 public:
  Invariants(Function& function, int64_t num_shards)
      : function_(function), num_shards_(num_shards) {}

  // A process for this number starts: for the first time ever.
  void rank_started(int64_t rank);
  // A rank enters a view: the same one under this number everywhere.
  void view_entered(const std::shared_ptr<const coordinator::BegunView>& begun);
  // `rank` used its gradient of `shard`: nobody else does in this view.
  void shard_computed(int64_t view, int64_t shard, int64_t rank);
  // The rank acts on these words: all of its view.
  void acts_on_words(const FakeRank& rank) const;
  // A write to the store: the machine did not yet promise that none comes.
  void slice_written(const FakeRank& rank, const FakeMachine& machine,
                     int64_t view) const;
  // The rank holds the right weights, and the step is stored twice.
  void step_committed(const FakeRank& rank, int64_t view, int64_t step,
                      const std::vector<FakeMachine>& machines);
  // The journal says the same as the coordinator's state.
  void journal_matches(const coordinator::RunState& replayed,
                       const coordinator::RunState& state) const;
  // No committed step is lost of which a copy exists; owners and backups are
  // apart where they can be.
  void view_begun(const coordinator::ViewBegun& view,
                  const coordinator::RunState& state,
                  std::vector<FakeMachine>& machines);
  // A rank hears that its connection to another one broke.
  void connection_ended(int64_t view, int64_t rank, int64_t peer);
  // A machine that leaves takes no step with it that the others lack.
  void machine_left(int64_t machine, const coordinator::RunState& state,
                    std::vector<FakeMachine>& machines);
  // A machine is dropped only if something went wrong there.
  void machine_dropped(int64_t machine, bool guilty) const;

  bool lost_connection(int64_t view, int64_t rank) const;
  int64_t committed_step() const { return committed_step_; }
  int64_t newest_view() const { return newest_view_; }

 private:
  bool is_committed(const Buffer& buffer) const;
  bool restorable(int64_t step, const coordinator::RunState& state,
                  std::vector<FakeMachine>& machines);
  // Whether the right state of every slice lies with those that are present.
  bool is_there(int64_t step, const coordinator::RunState& state,
                std::vector<FakeMachine>& machines);
  // Of the steps that the newest view committed.
  int64_t newest_there(const coordinator::RunState& state,
                       std::vector<FakeMachine>& machines);
  void check_apart(config::View view, const coordinator::RunState& state) const;
  void check_stored(const coordinator::BegunView& begun, int64_t step,
                    const std::vector<FakeMachine>& machines) const;

  struct SeenView {
    std::shared_ptr<const coordinator::BegunView> begun;
    std::vector<int64_t> owner_S;  // who acted
    int64_t committed_step = 0;    // the greatest, or where it starts
    std::set<int64_t> cut_off;     // ranks that have lost a connection
  };

  Function& function_;
  const int64_t num_shards_;
  std::vector<bool> started_;
  std::map<int64_t, SeenView> views_;
  int64_t newest_view_ = 0;  // begun, as the journal says
  int64_t committed_step_ = 0;
};

}  // namespace colossus::simulate
