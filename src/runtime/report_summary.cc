// The top of a report: what the run is, how it ended, its main figures.
#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/clock.h"
#include "base/strings.h"
#include "drawing/html.h"
#include "runtime/report_parts.h"

namespace colossus::runtime {
namespace {

std::string card(const std::string& name, const std::string& value,
                 const std::string& note, bool is_first = false) {
  return element("div", is_first ? "card first" : "card",
                 element("div", "name", name) + element("div", "value", value) +
                     element("div", "note", note));
}

// In full where a card has the room.
std::string count_text(double value) {
  return std::abs(value) < 1e5 ? with_thousands(std::llround(value))
                               : compact_count(value);
}

std::string state_pill(const RunHistory& history) {
  if (history.state == "finished") {
    return element("span", "pill good", "finished");
  }
  if (history.state == "failed") return element("span", "pill bad", "failed");
  const std::string text =
      history.state == "stopped" ? "stopped" : "not finished";
  return element("span", "pill", text);
}

std::string model_text(const ReportInput& input) {
  if (!input.config) return "";
  const config::ModelConfig& model = input.config->model;
  const std::string kind =
      model.has_experts()
          ? fmt::format("{} experts of which {} work on a token",
                        model.num_experts, model.num_selected_experts)
          : "dense";
  return fmt::format("Grok model, {}: {} layers, width {}, vocabulary {}", kind,
                     model.num_layers, model.model_dim,
                     with_thousands(model.vocab_size));
}

int64_t last_step(const RunHistory& history) {
  if (history.finished) return history.finished->step;
  return history.steps.empty() ? 0 : history.steps.back().step;
}

double mean_of_last(const std::vector<StepMetrics>& steps, size_t count,
                    double StepMetrics::*field) {
  count = std::min(count, steps.size());
  double sum = 0;
  for (size_t i = steps.size() - count; i < steps.size(); ++i) {
    sum += steps[i].*field;
  }
  return sum / static_cast<double>(count);
}

// The last 2% of the run, but at least 10 steps: one step's loss is noise.
size_t num_last_steps(const RunHistory& history) {
  const size_t wanted = std::max<size_t>(history.steps.size() / 50, 10);
  return std::min(wanted, history.steps.size());
}

struct HeldOut {
  double val_loss = 0;
  double bits_per_byte = 0;
  std::string at_step;  // where it is not the run's last word
};

HeldOut held_out_of(const RunHistory& history) {
  if (history.finished && history.finished->val_loss > 0) {
    return {history.finished->val_loss, history.finished->bits_per_byte, ""};
  }
  if (history.validations.empty()) return {};
  const Validation& last = history.validations.back();
  return {last.val_loss, last.bits_per_byte,
          ", step " + with_thousands(last.step)};
}

std::string held_out_card(const RunHistory& history) {
  const HeldOut held_out = held_out_of(history);
  const std::string loss = fmt::format("{:.3f}", held_out.val_loss);
  if (held_out.bits_per_byte > 0) {
    return card("Bits per byte", fmt::format("{:.3f}", held_out.bits_per_byte),
                "held out, loss " + loss + held_out.at_step, true);
  }
  if (!(held_out.val_loss > 0)) return "";
  return card("Held-out loss", loss, "nats per token" + held_out.at_step, true);
}

std::string training_cards(const ReportInput& input) {
  const RunHistory& history = input.history;
  const size_t count = num_last_steps(history);
  double seconds = 0;
  for (const StepMetrics& step : history.steps) seconds += step.seconds;
  const double tokens = static_cast<double>(history.steps.back().tokens);
  const int64_t total =
      history.starts.empty() ? 0 : history.starts.back().total_steps;
  const std::string of_total =
      total > last_step(history) ? " of " + with_thousands(total) : "";
  std::string html =
      card("Training loss",
           fmt::format("{:.3f}",
                       mean_of_last(history.steps, count, &StepMetrics::loss)),
           fmt::format("mean of the last {} steps", count));
  html +=
      card("Tokens", count_text(tokens),
           "in " + with_thousands(last_step(history)) + of_total + " steps");
  html += card("Training time", human_seconds(seconds),
               "validation and saving not counted");
  if (!(seconds > 0)) return html;
  const double utilization =
      mean_of_last(history.steps, history.steps.size(), &StepMetrics::mfu);
  return html + card("Speed", count_text(tokens / seconds),
                     utilization > 0 ? fmt::format("tokens/s, {:.1f}% MFU",
                                                   100 * utilization)
                                     : "tokens per second");
}

std::string fact(const std::string& name, const std::string& value,
                 bool is_code = false) {
  if (value.empty()) return "";
  return element("dt", "", name) +
         element("dd", is_code ? "mono" : "", escape_html(value));
}

std::string lost_text(const RunHistory& history) {
  if (history.num_steps_redone == 0) return "";
  return fmt::format("{} step{} ({}) done again after interruptions",
                     with_thousands(history.num_steps_redone),
                     history.num_steps_redone == 1 ? "" : "s",
                     human_seconds(history.seconds_redone));
}

}  // namespace

std::string header_html(const ReportInput& input) {
  const RunHistory& history = input.history;
  std::string when = "Started " + utc_text(history.first_wall_seconds);
  if (history.starts.size() > 1) {
    when += fmt::format(", resumed {} time{}", history.starts.size() - 1,
                        history.starts.size() == 2 ? "" : "s");
  }
  when += ", last event " + utc_text(history.last_wall_seconds);
  return element("header", "",
                 element("div", "title",
                         element("h1", "", escape_html(input.run_name)) +
                             state_pill(history)) +
                     element("p", "", escape_html(model_text(input))) +
                     element("p", "", escape_html(when)));
}

std::string cards_html(const ReportInput& input) {
  const RunHistory& history = input.history;
  std::string cards = held_out_card(history);
  if (!history.steps.empty()) cards += training_cards(input);
  if (!history.starts.empty()) {
    const RunStarted& start = history.starts.back();
    const std::string active =
        start.num_active_parameters != start.num_parameters
            ? compact_count(static_cast<double>(start.num_active_parameters)) +
                  " active for a token"
            : "";
    cards +=
        card("Parameters",
             compact_count(static_cast<double>(start.num_parameters)), active);
  }
  return cards.empty() ? "" : element("section", "cards", cards);
}

std::string facts_html(const ReportInput& input) {
  const RunHistory& history = input.history;
  std::string facts;
  if (history.finished) {
    facts += fact("Hash of the weights and optimizer state",
                  history.finished->hash, true);
  }
  if (!history.checkpoints.empty()) {
    const CheckpointSaved& newest = history.checkpoints.back();
    facts += fact("Newest checkpoint", newest.path, true);
  }
  if (!history.starts.empty()) {
    const RunStarted& start = history.starts.back();
    facts += fact("Numerics", start.numerics);
    facts += fact("Config digest", start.config_digest, true);
    facts += fact("Machine", start.machine);
    if (start.tokens_per_step > 0) {
      facts += fact("Tokens a step", with_thousands(start.tokens_per_step));
    }
  }
  facts += fact("Lost work", lost_text(history));
  return facts.empty() ? "" : element("dl", "panel facts", facts);
}

}  // namespace colossus::runtime
