#include "coordinator/rank_rules.h"

#include <algorithm>

#include "base/error.h"

namespace colossus::coordinator {
namespace {

bool is_member(const config::View& view, int64_t rank) {
  return std::any_of(
      view.members.begin(), view.members.end(),
      [rank](const auto& member) { return member.rank == rank; });
}

std::vector<int64_t> participants_of(const config::Placement& placement) {
  std::vector<int64_t> ranks = placement.owner_S;
  for (const int64_t backup : placement.backup_S) {
    if (backup != config::kNoBackup) ranks.push_back(backup);
  }
  std::sort(ranks.begin(), ranks.end());
  ranks.erase(std::unique(ranks.begin(), ranks.end()), ranks.end());
  return ranks;
}

bool owns_shards(const BegunView& begun, int64_t rank) {
  const auto& owners = begun.view.placement.owner_S;
  return std::find(owners.begin(), owners.end(), rank) != owners.end();
}

}  // namespace

bool RankRules::leaves_view(const Board& board) const {
  if (begun_ == nullptr) return false;
  if (board.halted_view >= begun_->view.number) return true;
  if (board.number <= let_go_) return false;
  return !takes_part() || committed_step_ >= board.stop_step;
}

bool RankRules::takes_part() const {
  return std::binary_search(participants_.begin(), participants_.end(), rank_);
}

void RankRules::obey(const Board& board) {
  if (leaves_view(board)) begun_ = nullptr;
  if (begun_ == nullptr) let_go_ = std::max(let_go_, board.number);
  const auto& newest = board.begun;
  if (newest == nullptr || begun_ != nullptr) return;
  const int64_t number = newest->view.number;
  const bool fresh = number == board.number && number > newest_view_ &&
                     number > board.halted_view;
  if (fresh && is_member(newest->view, rank_)) enter(newest);
}

void RankRules::enter(std::shared_ptr<const BegunView> begun) {
  begun_ = std::move(begun);
  newest_view_ = begun_->view.number;
  participants_ = participants_of(begun_->view.placement);
  gathered_ = saved_ = false;
  committed_step_ = begun_->view.start_step;
  word_ = {newest_view_, begun_->view.start_step + 1, Phase::kEntered};
  if (mutation_ == Mutation::kSkipInterruptedStep) ++word_.step;
}

bool RankRules::all_reached(Phase phase) const {
  return std::all_of(
      participants_.begin(), participants_.end(), [&](int64_t peer) {
        if (peer == rank_) return true;
        if (mutation_ == Mutation::kCommitWithoutBackup &&
            phase >= Phase::kStored && !owns_shards(*begun_, peer)) {
          return true;
        }
        for (const PeerWord& p : peers_) {
          if (p.rank != peer) continue;
          const bool counts = p.word.view == word_.view ||
                              mutation_ == Mutation::kActOnOldWords;
          return counts && std::pair(p.word.step, p.word.phase) >=
                               std::pair(word_.step, phase);
        }
        return false;
      });
}

Task RankRules::next_of_step() const {
  switch (word_.phase) {
    case Phase::kEntered:
      return Task::kHeal;
    case Phase::kHealed:
      return word_.step > begun_->last_step ? Task::kWait : Task::kCompute;
    case Phase::kComputed:
      return all_reached(Phase::kComputed) ? Task::kStore : Task::kWait;
    case Phase::kStored:
      return all_reached(Phase::kStored) ? Task::kCheck : Task::kWait;
    case Phase::kChecked:
      return all_reached(Phase::kChecked) ? Task::kCommit : Task::kWait;
  }
  return Task::kWait;
}

Task RankRules::next(const Board& board) {
  obey(board);
  if (begun_ == nullptr) return Task::kWait;
  if (!takes_part()) return Task::kWait;
  if (word_.phase == Phase::kEntered) return Task::kHeal;
  if (!gathered_) {
    return all_reached(Phase::kHealed) ? Task::kGather : Task::kWait;
  }
  if (begun_->save_and_stop) return saved_ ? Task::kWait : Task::kSave;
  return next_of_step();
}

void RankRules::finished(Task task) {
  COLOSSUS_CHECK(begun_ != nullptr, "rank {} is in no view", rank_);
  switch (task) {
    case Task::kWait:
      break;
    case Task::kHeal:
      word_.phase = Phase::kHealed;
      break;
    case Task::kGather:
      gathered_ = true;
      break;
    case Task::kCompute:
      word_.phase = Phase::kComputed;
      break;
    case Task::kStore:
      word_.phase = Phase::kStored;
      break;
    case Task::kCheck:
      word_.phase = Phase::kChecked;
      break;
    case Task::kCommit:
      committed_step_ = word_.step;
      word_ = {word_.view, word_.step + 1, Phase::kHealed};
      break;
    case Task::kSave:
      saved_ = true;
      break;
  }
}

void RankRules::hear(int64_t peer, const Word& word) {
  for (PeerWord& p : peers_) {
    if (p.rank != peer) continue;
    p.word = std::max(p.word, word);
    return;
  }
  peers_.push_back({peer, word});
}

}  // namespace colossus::coordinator
