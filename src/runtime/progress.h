// The live line of a long job: redrawn in place on a terminal, a plain line
// every few seconds elsewhere. What it shows, when, and how wide is passed in;
// it reads neither clock nor terminal.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>
#include <vector>

namespace colossus::runtime {

// What to show: "LABEL [bar] DONE FACT FACT ...".
struct ProgressView {
  std::string label;               // "train", "tokenize"
  double fraction = 0;             // 0 to 1; below 0: unknown, no bar
  std::string done;                // "450/1500", "42%", "1.3 GiB"
  std::vector<std::string> facts;  // most important first; ASCII
};

struct ProgressOptions {
  bool is_terminal = false;
  int width = 80;               // columns of the terminal
  double redraw_seconds = 0.1;  // shortest time between two drawings
  double plain_seconds = 10;    // the same, where lines stay
};

// Not thread-safe. The stream must outlive it.
class ProgressLine {
 public:
  ProgressLine(std::ostream& out, ProgressOptions options)
      : out_(out), options_(options) {}

  // Draws if the last drawing is long enough ago. `now_seconds` is steady time.
  void update(double now_seconds, const ProgressView& view);

  // A line that stays: above the live line on a terminal.
  void note(const std::string& text);

  // Shows the last view given, if it is not on show, and leaves it there as a
  // line of its own. The next update starts a new line.
  void finish();

  // After a change of the terminal's size.
  void set_width(int columns) { options_.width = columns; }

 private:
  void draw();

  std::ostream& out_;
  ProgressOptions options_;
  std::string line_;  // of the last view, drawn or not
  bool has_view_ = false;
  bool is_drawn_ = false;      // line_ is what the reader sees
  bool is_line_open_ = false;  // the terminal's cursor stands on our line
  double last_draw_seconds_ = 0;
};

// The line without its frame; at most `width` columns: the bar shrinks first,
// then goes, then the last facts go.
std::string progress_text(const ProgressView& view, int width);

// A training step as a view.
struct TrainProgress {
  int64_t step = 0;
  int64_t steps = 0;
  double loss = 0;
  double tokens_per_second = 0;
  double mfu = 0;            // 0 to 1; 0: unknown, not shown
  double seconds_left = -1;  // below 0: unknown, not shown
};
ProgressView train_view(const TrainProgress& progress);

// Bytes of a job as a view; total 0: unknown (standard input).
ProgressView bytes_view(const std::string& label, uint64_t done_bytes,
                        uint64_t total_bytes, double bytes_per_second);

}  // namespace colossus::runtime
