// See progress.h. Plain ASCII, so that it looks the same in every locale.
#include "runtime/progress.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <ostream>

#include "base/strings.h"
#include "runtime/metrics.h"

namespace colossus::runtime {
namespace {

constexpr int kWidestBar = 24;
constexpr int kNarrowestBar = 6;
constexpr const char* kClearLine = "\r\x1b[2K";

std::string bar_of(double fraction, int width) {
  const int cells = width - 2;
  const int full = static_cast<int>(
      std::floor(std::clamp(fraction, 0.0, 1.0) * cells + 1e-9));
  std::string bar(static_cast<size_t>(full), '=');
  if (full < cells) bar += '>';
  bar.resize(static_cast<size_t>(cells), ' ');
  return "[" + bar + "]";
}

std::string joined(const std::vector<std::string>& parts, size_t count) {
  std::string text;
  for (size_t i = 0; i < count; ++i) {
    if (parts[i].empty()) continue;
    text += (text.empty() ? "" : "  ") + parts[i];
  }
  return text;
}

// "4,380 tok/s"; a decimal where there are few.
std::string tokens_rate(double tokens_per_second) {
  if (tokens_per_second < 100) {
    return fmt::format("{:.1f} tok/s", tokens_per_second);
  }
  return with_thousands(std::llround(std::min(tokens_per_second, 1e18))) +
         " tok/s";
}

}  // namespace

std::string progress_text(const ProgressView& view, int width) {
  std::vector<std::string> parts = {view.done};
  parts.insert(parts.end(), view.facts.begin(), view.facts.end());
  const int label = static_cast<int>(view.label.size());
  size_t count = parts.size();
  const auto room = [&] {
    const int text = static_cast<int>(joined(parts, count).size());
    return width - label - 2 - text;
  };
  while (count > 1 && room() < 0) --count;
  std::string line = view.label + "  ";
  const int bar = std::min(room() - 2, kWidestBar);
  if (view.fraction >= 0 && bar >= kNarrowestBar) {
    line += bar_of(view.fraction, bar) + "  ";
  }
  line += joined(parts, count);
  return line.substr(0, static_cast<size_t>(std::max(width, 0)));
}

void ProgressLine::update(double now_seconds, const ProgressView& view) {
  const double wait =
      options_.is_terminal ? options_.redraw_seconds : options_.plain_seconds;
  const bool is_due = !has_view_ || now_seconds - last_draw_seconds_ >= wait;
  // One column stays free: in the last one some terminals wrap.
  line_ = options_.is_terminal ? progress_text(view, options_.width - 1)
                               : joined({view.label, view.done}, 2);
  if (!options_.is_terminal && !view.facts.empty()) {
    line_ += "  " + joined(view.facts, view.facts.size());
  }
  has_view_ = true;
  is_drawn_ = false;
  if (!is_due) return;
  last_draw_seconds_ = now_seconds;
  draw();
}

void ProgressLine::draw() {
  if (options_.is_terminal) {
    out_ << kClearLine << line_ << std::flush;
    is_line_open_ = true;
  } else {
    out_ << line_ << '\n' << std::flush;
  }
  is_drawn_ = true;
}

void ProgressLine::note(const std::string& text) {
  if (is_line_open_) out_ << kClearLine;
  out_ << text << '\n';
  if (is_line_open_) out_ << line_;
  out_ << std::flush;
  if (is_line_open_) is_drawn_ = true;
}

void ProgressLine::finish() {
  if (has_view_ && !is_drawn_) draw();
  if (is_line_open_) out_ << '\n' << std::flush;
  is_line_open_ = false;
  has_view_ = false;
  is_drawn_ = false;
}

ProgressView train_view(const TrainProgress& progress) {
  ProgressView view;
  view.label = "train";
  view.done = fmt::format("{}/{}", progress.step, progress.steps);
  view.fraction = progress.steps > 0 ? static_cast<double>(progress.step) /
                                           static_cast<double>(progress.steps)
                                     : -1;
  view.facts.push_back(fmt::format("loss {:.3f}", progress.loss));
  view.facts.push_back(tokens_rate(progress.tokens_per_second));
  if (progress.seconds_left >= 0) {
    view.facts.push_back(human_seconds(progress.seconds_left) + " left");
  }
  if (progress.mfu > 0) {
    view.facts.push_back(fmt::format("MFU {:.1f}%", 100 * progress.mfu));
  }
  return view;
}

ProgressView bytes_view(const std::string& label, uint64_t done_bytes,
                        uint64_t total_bytes, double bytes_per_second) {
  ProgressView view;
  view.label = label;
  const double done = static_cast<double>(done_bytes);
  const double total = static_cast<double>(total_bytes);
  if (total_bytes > 0) {
    view.fraction = std::min(done / total, 1.0);
    view.done = fmt::format("{}%", std::floor(100 * view.fraction));
  } else {
    view.fraction = -1;
    view.done = human_bytes(done_bytes);
  }
  view.facts.push_back(fmt::format("{:.1f} MB/s", bytes_per_second / 1e6));
  const double left =
      seconds_left(std::max(total - done, 0.0), bytes_per_second);
  if (total_bytes > 0 && left >= 0) {
    view.facts.push_back(human_seconds(left) + " left");
  }
  return view;
}

}  // namespace colossus::runtime
