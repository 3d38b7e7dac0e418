// What a rank does next: the rules of a step's two-sided commit and of leaving
// and entering views, as a function of the machine's board and of its peers'
// words. Pure; the loop around it does the work and the waiting:
//
//   for (;;) switch (rules.next(board)) {
//     case Task::kCompute: compute_gradients(); rules.finished(kCompute); ...
//     case Task::kWait: publish(rules.word()); wait until a word or the board
//                       changes; rules.hear(peer, its word); ...
//   }
//
// The word of a rank (its view, step and phase) only grows, so one that comes
// late, twice or not at all does no harm: the last one says everything.
#pragma once

#include <compare>
#include <cstdint>
#include <memory>
#include <vector>

#include "coordinator/protocol_names.h"

namespace colossus::coordinator {

enum class Phase : int64_t {
  kEntered,   // it is in the view
  kHealed,    // its slices of the start step are in its store
  kComputed,  // its gradients of `step` can be read
  kStored,    // its slices of `step` are stored, and what it audited agrees
  kChecked,   // it holds all weights of `step`; no two copies differ
};

struct Word {
  int64_t view = 0;
  int64_t step = 0;  // the one being made
  Phase phase = Phase::kEntered;
  auto operator<=>(const Word&) const = default;
};

enum class Task {
  kWait,
  kHeal,     // bring the slices it owns and backs up from their sources
  kGather,   // take the weights of the start step from all slices' owners
  kCompute,  // the gradients of its shards
  kStore,    // sum and update its slices, into the buffer of the step before
  kCheck,    // gather the new weights, compare the hashes of all slices
  kCommit,   // the step is done at every rank
  kSave,     // write its slices of the start step to disk: the run stops
};

class RankRules {
 public:
  explicit RankRules(int64_t rank, Mutation mutation = Mutation::kNone)
      : rank_(rank), mutation_(mutation) {}

  // Looks at the board first: may leave the view, or enter another one. The
  // same task again until finished() or until the view is left.
  Task next(const Board& board);

  // Only of the task that next() returned last, and only if since then
  // leaves_view(board) was false.
  void finished(Task task);

  // Work of the present view is to be dropped now.
  bool leaves_view(const Board& board) const;

  void hear(int64_t peer, const Word& word);

  const Word& word() const { return word_; }
  // All views before this number are refused.
  int64_t let_go() const { return let_go_; }
  bool in_view() const { return begun_ != nullptr; }
  // The view it works in; null: none.
  const std::shared_ptr<const BegunView>& begun() const { return begun_; }
  int64_t committed_step() const { return committed_step_; }
  // Ranks with a part in the view's steps, ascending; this one among them.
  const std::vector<int64_t>& participants() const { return participants_; }

 private:
  struct PeerWord {
    int64_t rank = 0;
    Word word;
  };

  void obey(const Board& board);
  void enter(std::shared_ptr<const BegunView> begun);
  bool takes_part() const;
  bool all_reached(Phase phase) const;
  Task next_of_step() const;

  const int64_t rank_;
  const Mutation mutation_;
  int64_t let_go_ = 0;
  std::shared_ptr<const BegunView> begun_;
  int64_t newest_view_ = 0;
  std::vector<int64_t> participants_;
  bool gathered_ = false;
  bool saved_ = false;
  Word word_;
  int64_t committed_step_ = kNone;
  std::vector<PeerWord> peers_;
};

}  // namespace colossus::coordinator
