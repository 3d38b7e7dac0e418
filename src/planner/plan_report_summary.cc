// The first screen of a plan's report: what it says, and how far to trust it.
#include <fmt/format.h>

#include "base/strings.h"
#include "drawing/html.h"
#include "planner/plan_inputs.h"
#include "planner/plan_report_parts.h"
#include "planner/run_words.h"

namespace colossus::planner {
namespace {

using drawing::element;
using drawing::escape_html;

struct Card {
  std::string name, value, unit, note;
};

std::string card_html(const Card& card, bool is_first) {
  std::string value = escape_html(card.value);
  if (!card.unit.empty()) {
    value += " " + element("small", "", escape_html(card.unit));
  }
  return element("div", is_first ? "card first" : "card",
                 element("div", "name", escape_html(card.name)) +
                     element("div", "value", value) +
                     element("div", "note", escape_html(card.note))) +
         "\n";
}

std::string range_text(const ErrorInterval& interval, double value) {
  return fmt::format("{} to {}", seconds_text(interval.low(value)),
                     seconds_text(interval.high(value)));
}

// "1.13 s" -> {"1.13", "s"}.
Card split_unit(Card card) {
  const size_t space = card.value.find(' ');
  if (space == std::string::npos) return card;
  card.unit = card.value.substr(space + 1);
  card.value = card.value.substr(0, space);
  return card;
}

void add_run_cards(const Plan& plan, std::vector<Card>& cards) {
  if (!plan.run) return;
  const RunForecast& run = *plan.run;
  cards.push_back(split_unit(
      {quantity_text(plan.request.num_tokens, Unit::kCount) + " tokens",
       seconds_text(run.seconds.expected), "",
       fmt::format("{} to {} by faults alone", seconds_text(run.seconds.low),
                   seconds_text(run.seconds.high))}));
  cards.push_back({"Goodput", percent(run.goodput.expected), "",
                   fmt::format("{:.0f} faults", run.faults)});
  cards.push_back(split_unit(
      {"Power", quantity_text(run.mean_watts, Unit::kWatts), "",
       fmt::format("swing {} within a step",
                   quantity_text(run.power.swing_watts, Unit::kWatts))}));
  const double bill = run.device_dollars + run.energy_dollars;
  if (bill <= 0) return;
  cards.push_back(
      {"Bill", dollars_text(bill), "",
       fmt::format("{} of it energy", dollars_text(run.energy_dollars))});
}

std::string warning_html(const std::string& strong, const std::string& text) {
  return element(
             "div", "warn",
             element("b", "", escape_html(strong)) + " " + escape_html(text)) +
         "\n";
}

}  // namespace

std::string header_html(const PlanReport& report) {
  const Plan& plan = report.plan;
  const PlanRequest& request = plan.request;
  const Cluster& cluster = request.cluster.cluster;
  const PlannedLayout& best = shown_layout(plan);
  const bool extrapolates = !best.extrapolates.empty();
  std::string pill =
      element("span", extrapolates ? "pill bad" : "pill good",
              extrapolates ? "extrapolates" : "within what was timed");
  if (!best.fits) pill = element("span", "pill bad", "does not fit") + pill;
  std::string html =
      element("div", "title",
              element("h1", "",
                      escape_html(fmt::format("{} on {}", request.model.name,
                                              cluster.name))) +
                  pill);
  html += element(
      "p", "",
      escape_html(fmt::format(
          "{} parameters, {} of them for each token; {} {}; steps of {} "
          "sequences of {} tokens in {}, as {} does it",
          quantity_text(static_cast<double>(plan.total_parameters),
                        Unit::kCount),
          quantity_text(static_cast<double>(plan.active_parameters),
                        Unit::kCount),
          with_thousands(cluster.num_devices), cluster.device.name,
          with_thousands(request.global_batch_sequences),
          with_thousands(request.seq_len), precision_name(request.precision),
          request.framework)));
  if (!best.fits) {
    html += warning_html(
        "Nothing fits.",
        fmt::format("The nearest layout misses {} a GPU; {} take the most.",
                    gigabytes(plan.does_not_fit->missing_bytes),
                    plan.does_not_fit->heaviest_part));
  }
  if (extrapolates) {
    html += warning_html("Extrapolates.",
                         best.extrapolates +
                             ". The intervals are those of runs that were "
                             "timed; how far this is off, nobody knows.");
  }
  return element("header", "", html) + "\n";
}

std::string cards_html(const PlanReport& report) {
  const Plan& plan = report.plan;
  const PlannedLayout& best = shown_layout(plan);
  const double capacity = plan.request.cluster.cluster.device.memory_bytes;
  std::vector<Card> cards;
  cards.push_back(split_unit(
      {"A step", seconds_text(best.cost.seconds), "",
       "80%: " + range_text(best.time_interval, best.cost.seconds)}));
  cards.push_back(
      {"Tokens a second", drawing::compact_count(best.tokens_per_second), "",
       fmt::format("on {} GPUs", with_thousands(best.num_devices))});
  cards.push_back(
      {"MFU", percent(best.mfu), "",
       fmt::format("{:.0f} TFLOP/s a GPU", best.flops_per_device / 1e12)});
  cards.push_back(
      {"Memory a GPU", fmt::format("{:.1f}", best.memory.needed() / 1e9), "GB",
       fmt::format("of {:.1f}; 80%: {:.1f} to {:.1f}", capacity / 1e9,
                   best.memory_interval.low(best.memory.needed()) / 1e9,
                   best.memory_interval.high(best.memory.needed()) / 1e9)});
  add_run_cards(plan, cards);
  std::string html;
  for (size_t i = 0; i < cards.size(); ++i) {
    html += card_html(cards[i], i == 0);
  }
  return element("div", "cards", html) + "\n";
}

std::string facts_html(const PlanReport& report) {
  const Plan& plan = report.plan;
  const PlannedLayout& best = shown_layout(plan);
  std::string html;
  const auto add = [&](const std::string& name, const std::string& value) {
    html += element("dt", "", escape_html(name)) +
            element("dd", "", escape_html(value)) + "\n";
  };
  add("Layout", layout_words(best.layout));
  add("Interval",
      fmt::format("80% of the errors of {} published runs of this kind ({}), "
                  "each family or model counting the same and predicted by a "
                  "fit without it, lie within it",
                  best.time_interval.runs, best.time_interval.kind));
  add("Search",
      fmt::format("{} legal layouts, {} of them computed, the others "
                  "out of reach; {:.2f} s",
                  with_thousands(plan.counts.legal),
                  with_thousands(plan.counts.evaluated), plan.counts.seconds));
  for (const std::string& rule : plan.request.rules.texts) {
    add("Rule", rule);
  }
  const size_t assumed_figures = assumed(plan.inputs).size();
  add("Rests on", fmt::format("{} figures, {} of them assumed (below)",
                              plan.inputs.size(), assumed_figures));
  if (!plan.request.calibration_source.empty()) {
    add("Calibration", plan.request.calibration_source);
  }
  for (const std::string& warning : plan.warnings) add("Note", warning);
  return element("dl", "facts panel", html) + "\n";
}

}  // namespace colossus::planner
