#include "runtime/time_use.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "base/strings.h"

namespace colossus::runtime {
namespace {

using coordinator::Loss;

// Thirty years: more is no time of a run, whatever a journal says.
constexpr double kMostSeconds = 1e9;

int64_t microseconds(double seconds) {
  if (!std::isfinite(seconds)) return 0;
  return std::llround(std::clamp(seconds, 0.0, kMostSeconds) * 1e6);
}

// When an event happened: as the rank says, else when the line was written.
template <typename Event>
double moment_of(const Event& event, double wall_seconds) {
  if constexpr (requires { event.at; }) {
    if (std::isfinite(event.at) && event.at > 0) return event.at;
  }
  return wall_seconds;
}

template <typename Event>
constexpr bool kEnds =
    std::is_same_v<Event, RunFinished> || std::is_same_v<Event, RunStopped> ||
    std::is_same_v<Event, RunFailed>;

// What a start writes about the run before it, and so between two.
template <typename Event>
constexpr bool kBetweenRuns =
    std::is_same_v<Event, Remark> || std::is_same_v<Event, CheckpointDamaged> ||
    std::is_same_v<Event, CheckpointSkipped>;

bool contains(const std::vector<int64_t>& values, int64_t value) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

}  // namespace

std::string spoken(Loss loss) {
  std::string name = name_of(loss);
  std::replace(name.begin(), name.end(), '_', ' ');
  return name;
}

std::string text_of(const TimeUse& use) {
  std::string text = fmt::format("goodput {:.1f}% of {}", 100 * use.goodput,
                                 human_seconds(use.seconds));
  const char* separator = "; lost: ";
  for (int i = 0; i < coordinator::kNumLosses; ++i) {
    const auto loss = static_cast<Loss>(i);
    if (use.lost(loss) < kLeastLostSeconds) continue;
    text +=
        fmt::format("{}{:.2f} s {}", separator, use.lost(loss), spoken(loss));
    separator = ", ";
  }
  return text;
}

void TimeBook::add(const JournalRecord& record) {
  std::visit(
      [&](const auto& event) {
        using Event = std::decay_t<decltype(event)>;
        if constexpr (kBetweenRuns<Event>) return;
        const double moment = moment_of(event, record.wall_seconds);
        if constexpr (std::is_same_v<Event, RunStarted>) {
          now_wall_seconds_ = moment;
          over_ = false;
        }
        if (over_ || now_wall_seconds_ < 0) return;
        advance(moment);
        on(event);
        if constexpr (kEnds<Event>) over_ = true;
      },
      record.event);
}

// Never backwards: ranks and coordinator write with clocks of their own, and a
// person may set one.
void TimeBook::advance(double wall_seconds) {
  if (!(wall_seconds > now_wall_seconds_)) return;
  now_us_ = std::min(now_us_ + microseconds(wall_seconds - now_wall_seconds_),
                     microseconds(kMostSeconds));
  now_wall_seconds_ = wall_seconds;
}

void TimeBook::on(const RunStarted& event) {
  // What a run that ended without notice had begun ends unseen.
  ledger_.prepared(now_us_, now_us_);
  ledger_.begun(now_us_, event.step);
  view_.reset();
  view_is_ready_ = false;
  view_wall_seconds_ = now_wall_seconds_;
  step_begin_us_ = now_us_;
  stops_ = false;
  sign_us_.reset();
  ready_ranks_.clear();
  straggle_us_ = 0;
}

void TimeBook::on(const StepMetrics& event) {
  // Of an older view, told late: it will be made again.
  if (event.at > 0 && event.at < view_wall_seconds_) return;
  if (!view_is_ready_) {  // older journals do not say when
    ledger_.healed(std::clamp(now_us_ - microseconds(event.seconds),
                              step_begin_us_, now_us_));
    view_is_ready_ = true;
  }
  ledger_.committed(now_us_, event.step, straggle_us_,
                    microseconds(event.checkpoint_seconds));
  step_begin_us_ = now_us_;
}

void TimeBook::on(const RankReady& event) {
  ready_ranks_.insert(event.rank);
  ledger_.rank_came(now_us_);
}

void TimeBook::on(const RankEnded& event) {
  const bool missed = view_ && (contains(view_->owners, event.rank) ||
                                contains(view_->backups, event.rank));
  if (!missed) return;
  const int64_t sign = now_us_ - microseconds(event.silent_seconds);
  sign_us_ = std::min(sign, sign_us_.value_or(sign));
}

void TimeBook::on(const ViewReady& event) {
  if (view_ && event.number != view_->number) return;
  ledger_.healed(now_us_);
  step_begin_us_ = now_us_;
  view_is_ready_ = true;
}

void TimeBook::on(const coordinator::RankLost& event) {
  const bool was_ready = ready_ranks_.erase(event.rank) > 0;
  if (was_ready && stops_) note_if_no_rank_is_ready();
}

void TimeBook::on(const coordinator::RankReleased& event) {
  ready_ranks_.erase(event.rank);
}

void TimeBook::note_if_no_rank_is_ready() {
  if (view_ && ready_ranks_.empty()) ledger_.waits_for_rank(now_us_);
}

// Ranks that stop only at a commit are at work until then: `on(ViewBegun)`.
void TimeBook::on(const coordinator::PrepareBegun& event) {
  if (event.stop_step >= 0) return;
  ledger_.prepared(now_us_, sign_us_.value_or(now_us_));
  sign_us_.reset();
  stops_ = true;
  note_if_no_rank_is_ready();
}

void TimeBook::on(const coordinator::ViewBegun& event) {
  if (!stops_) ledger_.prepared(step_begin_us_, step_begin_us_);
  ledger_.begun(now_us_, event.start_step);
  view_ = event;
  view_wall_seconds_ = now_wall_seconds_;
  view_is_ready_ = false;
  stops_ = false;
  step_begin_us_ = now_us_;
  straggle_us_ = 0;
}

// It is taken to stay so slow, and the others to wait for it, until the view
// ends.
void TimeBook::on(const coordinator::StragglerFound& event) {
  if (!view_) return;
  const auto shards =
      std::count(view_->owners.begin(), view_->owners.end(), event.rank);
  const double more_us = static_cast<double>(event.shard_us) -
                         static_cast<double>(event.median_us);
  straggle_us_ = std::max(
      straggle_us_, microseconds(static_cast<double>(shards) * more_us / 1e6));
}

TimeUse TimeBook::use(double wall_seconds) const {
  TimeBook until = *this;
  if (!over_ && now_wall_seconds_ >= 0) until.advance(wall_seconds);
  until.ledger_.settle(until.now_us_);
  TimeUse use;
  use.seconds = static_cast<double>(until.now_us_) / 1e6;
  use.goodput = until.ledger_.goodput(until.now_us_);
  for (int i = 0; i < coordinator::kNumLosses; ++i) {
    const int64_t us = until.ledger_.lost_us(static_cast<Loss>(i));
    use.lost_seconds.at(static_cast<size_t>(i)) = static_cast<double>(us) / 1e6;
  }
  return use;
}

}  // namespace colossus::runtime
