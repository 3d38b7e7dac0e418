// See history.h.
#include "runtime/history.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstddef>
#include <utility>

#include "runtime/journal.h"

namespace colossus::runtime {
namespace {

// Steps rise in these lists, so what is too late stands at the end.
template <typename Event>
void forget_after(std::vector<Event>& events, int64_t step) {
  while (!events.empty() && events.back().step > step) events.pop_back();
}

template <typename Event>
auto place_of(std::vector<Event>& events, int64_t step) {
  return std::lower_bound(
      events.begin(), events.end(), step,
      [](const Event& event, int64_t wanted) { return event.step < wanted; });
}

template <typename Event>
bool has_step(std::vector<Event>& events, int64_t step) {
  const auto place = place_of(events, step);
  return place != events.end() && place->step == step;
}

// Where the step was there before, the newer one wins.
template <typename Event>
void put_in_order(std::vector<Event>& events, Event event) {
  const auto place = place_of(events, event.step);
  if (place != events.end() && place->step == event.step) {
    *place = std::move(event);
  } else {
    events.insert(place, std::move(event));
  }
}

std::string path_and_reason(const std::string& path,
                            const std::string& reason) {
  return path.empty() ? reason : path + ": " + reason;
}

}  // namespace

void HistoryBuilder::add(JournalRecord record) {
  history_.time_book.add(record);
  now_ = record.wall_seconds;
  if (history_.first_wall_seconds == 0) history_.first_wall_seconds = now_;
  history_.last_wall_seconds = now_;
  std::visit([this](auto& event) { add(std::move(event)); }, record.event);
}

void HistoryBuilder::add(RunStarted event) {
  if (!history_.starts.empty() && history_.state == "open") note_abrupt_end();
  forget_steps_after(event.step);
  history_.state = "open";
  history_.finished.reset();
  history_.view.reset();
  history_.ranks.clear();
  history_.coordinator.reset();
  history_.agents.clear();
  notice(event.step, Notice::Kind::kNeutral,
         event.resumed ? "Resumed" : "Started", event.reason);
  history_.starts.push_back(std::move(event));
  notices_at_last_step_ = history_.notices.size();
  last_step_seconds_ = now_;
}

// What a resume finds (a damaged checkpoint, say) is in the journal before its
// start, and behind the end of the view before.
void HistoryBuilder::note_abrupt_end() {
  const int64_t last = newest_step();
  const auto place = history_.notices.begin() +
                     static_cast<std::ptrdiff_t>(notices_at_last_step_);
  history_.notices.insert(
      place,
      {last_step_seconds_, last, Notice::Kind::kBad, "Ended without notice",
       "the process was killed, or the machine failed"});
}

void HistoryBuilder::forget_steps_after(int64_t step) {
  for (auto past = history_.steps.rbegin();
       past != history_.steps.rend() && past->step > step; ++past) {
    ++history_.num_steps_redone;
    history_.seconds_redone += past->seconds;
  }
  forget_after(history_.steps, step);
  forget_after(history_.expert_loads, step);
  forget_after(history_.validations, step);
  forget_after(history_.samples, step);
  forget_after(history_.checkpoints, step);
}

// Whether a step that is newer in the run was done before it was: what a rank
// said last is read late where no coordinator was there to read it.
bool HistoryBuilder::is_late(const StepMetrics& event) const {
  return !history_.steps.empty() && event.at > 0 &&
         event.at < history_.steps.back().at;
}

void HistoryBuilder::add(StepMetrics event) {
  if (is_late(event)) {
    if (has_step(history_.steps, event.step)) return;  // it was redone since
    if (!event.expert_load.empty()) add_expert_load(event);
    put_in_order(history_.steps, std::move(event));
    return;
  }
  // A resume forgets first; this is for journals that lost that line.
  if (!history_.steps.empty() && history_.steps.back().step >= event.step) {
    forget_steps_after(event.step - 1);
  }
  if (!event.expert_load.empty()) add_expert_load(event);
  notices_at_last_step_ = history_.notices.size();
  last_step_seconds_ = now_;
  history_.steps.push_back(std::move(event));
}

void HistoryBuilder::add_expert_load(StepMetrics& event) {
  const auto is_off_stride = [this](const ExpertLoadPoint& point) {
    return point.step % expert_load_stride_ != 0;
  };
  ExpertLoadPoint point{event.step, std::move(event.expert_load)};
  event.expert_load.clear();
  if (is_off_stride(point)) return;
  put_in_order(history_.expert_loads, std::move(point));
  while (history_.expert_loads.size() > max_expert_loads_) {
    expert_load_stride_ *= 2;
    std::erase_if(history_.expert_loads, is_off_stride);
  }
}

void HistoryBuilder::add(Validation event) {
  put_in_order(history_.validations, event);
}

void HistoryBuilder::add(TextSample event) {
  // Several samples of one step are all kept, each once.
  auto place = place_of(history_.samples, event.step);
  for (; place != history_.samples.end() && place->step == event.step;
       ++place) {
    if (place->prompt == event.prompt && place->text == event.text) return;
  }
  history_.samples.insert(place, std::move(event));
}

void HistoryBuilder::add(CheckpointSaved event) {
  put_in_order(history_.checkpoints, std::move(event));
}

void HistoryBuilder::add(const CheckpointDamaged& event) {
  notice(event.step, Notice::Kind::kBad, "Checkpoint damaged",
         path_and_reason(event.path, event.reason));
}

void HistoryBuilder::add(const CheckpointSkipped& event) {
  notice(event.step, Notice::Kind::kNeutral, "Checkpoint skipped",
         path_and_reason(event.path, event.reason));
}

void HistoryBuilder::add(const RunStopped& event) {
  history_.state = "stopped";
  notice(event.step, Notice::Kind::kNeutral, "Stopped", event.reason);
}

void HistoryBuilder::add(const RunFailed& event) {
  history_.state = "failed";
  notice(event.step, Notice::Kind::kBad, "Failed", event.reason);
}

void HistoryBuilder::add(const RunFinished& event) {
  history_.state = "finished";
  history_.finished = event;
  notice(event.step, Notice::Kind::kGood, "Finished", event.checkpoint);
}

void HistoryBuilder::add(const Remark& event) {
  notice(event.step, Notice::Kind::kNeutral, "Remark", event.reason);
}

void HistoryBuilder::add(CoordinatorStarted event) {
  if (history_.coordinator) {
    notice(newest_step(), Notice::Kind::kNeutral, "Coordinator replaced",
           fmt::format("process {} took over from process {}", event.pid,
                       history_.coordinator->pid));
  }
  history_.coordinator = std::move(event);
}

void HistoryBuilder::add(AgentStarted event) {
  for (AgentStarted& known : history_.agents) {
    if (known.machine != event.machine) continue;
    if (known.pid != event.pid) {
      notice(newest_step(), Notice::Kind::kNeutral, "Agent replaced",
             fmt::format("machine {}: process {} took over from process {}",
                         event.machine, event.pid, known.pid));
    }
    known = std::move(event);
    return;
  }
  history_.agents.push_back(std::move(event));
}

void HistoryBuilder::add(RankStarted event) { history_.ranks.push_back(event); }

void HistoryBuilder::add(const RankEnded& event) {
  notice(newest_step(), Notice::Kind::kBad, "Process ended", event.reason);
}

void HistoryBuilder::forget_rank(int64_t rank) {
  std::erase_if(history_.ranks, [rank](const RankStarted& started) {
    return started.rank == rank;
  });
}

void HistoryBuilder::add(const coordinator::RankLost& event) {
  forget_rank(event.rank);
  notice(newest_step(), Notice::Kind::kBad, "Rank lost", event.reason);
}

void HistoryBuilder::add(const coordinator::RankReleased& event) {
  forget_rank(event.rank);
  notice(newest_step(), Notice::Kind::kNeutral, "Rank released", event.reason);
}

void HistoryBuilder::add(const coordinator::MachineLeft& event) {
  std::erase_if(history_.agents, [&event](const AgentStarted& agent) {
    return agent.machine == event.machine;
  });
  notice(newest_step(), Notice::Kind::kNeutral, "Machine left", event.reason);
}

void HistoryBuilder::add(coordinator::ViewBegun event) {
  forget_steps_after(event.start_step);
  notice(event.start_step, Notice::Kind::kNeutral,
         fmt::format("View {}", event.number), event.reason);
  history_.view = std::move(event);
}

void HistoryBuilder::add(const coordinator::DifferenceFound& event) {
  notice(event.step, Notice::Kind::kBad, "Bits differ", event.reason);
}

int64_t HistoryBuilder::newest_step() const {
  return history_.steps.empty() ? 0 : history_.steps.back().step;
}

void HistoryBuilder::notice(int64_t step, Notice::Kind kind, std::string title,
                            std::string text) {
  history_.notices.push_back(
      {now_, step, kind, std::move(title), std::move(text)});
}

RunHistory HistoryBuilder::finish() && { return std::move(history_); }

RunHistory load_history(const std::string& run_folder) {
  HistoryBuilder builder;
  std::vector<std::string> warnings = read_journal(
      journal_path(run_folder),
      [&](JournalRecord record) { builder.add(std::move(record)); });
  RunHistory history = std::move(builder).finish();
  history.warnings = std::move(warnings);
  return history;
}

}  // namespace colossus::runtime
