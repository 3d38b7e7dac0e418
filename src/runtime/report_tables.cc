// The lower half of a report: samples, events, config.
#include <fmt/core.h>

#include <algorithm>
#include <vector>

#include "base/clock.h"
#include "base/fields.h"
#include "base/strings.h"
#include "config/toml.h"
#include "drawing/html.h"
#include "runtime/report_parts.h"
#include "base/utf8.h"

namespace colossus::runtime {
namespace {

constexpr size_t kMaxSamples = 12;
constexpr size_t kMaxSampleBytes = 4000;
constexpr size_t kMaxEvents = 300;

// Whatever of a text makes one cell of a table too large is cut.
std::string cell(const std::string& text) {
  return element("td", "", escape_html(shortened(text, 2000)));
}

std::string sample_html(const TextSample& sample) {
  const std::string prompt = shortened(sample.prompt, kMaxSampleBytes);
  const std::string text = shortened(sample.text, kMaxSampleBytes);
  return element(
      "div", "panel sample",
      element("div", "when", "step " + with_thousands(sample.step)) +
          element("p", "",
                  element("b", "", escape_html(prompt)) + escape_html(text)));
}

const char* class_of(Notice::Kind kind) {
  switch (kind) {
    case Notice::Kind::kGood:
      return "good";
    case Notice::Kind::kBad:
      return "bad";
    case Notice::Kind::kNeutral:
      break;
  }
  return "";
}

std::string event_row(const Notice& notice) {
  return element("tr", "",
                 element("td", "", utc_text(notice.wall_seconds)) +
                     element("td", "", "step " + with_thousands(notice.step)) +
                     element("td", "",
                             element("span", class_of(notice.kind),
                                     escape_html(notice.title))) +
                     cell(notice.text));
}

std::string time_row(const std::string& what, double seconds, double of,
                     const std::string& meaning) {
  return element(
      "tr", "",
      element("th", "", what) +
          element("td", "", fmt::format("{:.2f} s", seconds)) +
          element("td", "", fmt::format("{:.2f}%", 100 * seconds / of)) +
          element("td", "", meaning));
}

std::string warnings_html(const std::vector<std::string>& warnings) {
  if (warnings.empty()) return "";
  std::string rows;
  for (const std::string& warning : warnings) {
    rows += element("tr", "", cell(warning));
  }
  return element("h2", "", "Damaged lines of the journal") +
         element("div", "panel rows", element("table", "", rows));
}

std::string config_row(const Field& field, bool is_changed) {
  const std::string name = field.name.substr(field.name.find('.') + 1);
  return element(
      "tr", is_changed ? "changed" : "",
      element("th", "mono", escape_html(name)) +
          element("td", "value mono",
                  escape_html(shortened(config::value_text(field), 2000))) +
          element("td", "help", escape_html(field.help)));
}

std::string config_tables(config::Config config) {
  config::Config defaults;
  const std::vector<Field> fields = fields_of(config);
  const std::vector<Field> default_fields = fields_of(defaults);
  std::string html, rows, section;
  const auto end_section = [&] {
    if (rows.empty()) return;
    html += element("table", "config",
                    element("caption", "mono", "[" + section + "]") + rows);
    rows.clear();
  };
  for (size_t i = 0; i < fields.size(); ++i) {
    const std::string its_section =
        fields[i].name.substr(0, fields[i].name.find('.'));
    if (its_section != section) end_section();
    section = its_section;
    rows += config_row(fields[i], config::value_text(fields[i]) !=
                                      config::value_text(default_fields[i]));
  }
  end_section();
  return html;
}

}  // namespace

std::string samples_html(const ReportInput& input) {
  const std::vector<TextSample>& samples = input.history.samples;
  if (samples.empty()) return "";
  // Evenly spread, the newest first.
  std::string earlier;
  const size_t count = std::min(samples.size(), kMaxSamples);
  for (size_t i = 1; i < count; ++i) {
    const size_t back = i * (samples.size() - 1) / (count - 1);
    earlier += sample_html(samples[samples.size() - 1 - back]);
  }
  std::string html =
      element("h2", "", "What the model writes") + sample_html(samples.back());
  if (!earlier.empty()) {
    html += "<details><summary>Earlier in the run</summary>" + earlier +
            "</details>";
  }
  return element("section", "", html);
}

std::string time_html(const ReportInput& input) {
  const TimeUse use = input.history.time_book.use();
  if (use.seconds <= 0) return "";
  std::string rows = time_row("goodput", use.goodput * use.seconds, use.seconds,
                              "steps that count");
  for (int i = 0; i < coordinator::kNumLosses; ++i) {
    const auto loss = static_cast<coordinator::Loss>(i);
    if (use.lost(loss) < kLeastLostSeconds) continue;
    rows += time_row(spoken(loss), use.lost(loss), use.seconds,
                     coordinator::meaning_of(loss));
  }
  return element("section", "",
                 element("h2", "", "Where the time went") +
                     element("div", "panel rows", element("table", "", rows)));
}

std::string events_html(const ReportInput& input) {
  const std::vector<Notice>& notices = input.history.notices;
  std::string rows;
  const size_t first =
      notices.size() > kMaxEvents ? notices.size() - kMaxEvents : 0;
  for (size_t i = first; i < notices.size(); ++i) rows += event_row(notices[i]);
  std::string html = element("h2", "", "Events");
  if (rows.empty()) {
    html += element("p", "hint", "None in the journal.");
  } else {
    html += element("div", "panel rows", element("table", "events", rows));
  }
  if (first > 0) {
    html += element("p", "hint",
                    fmt::format("The last {} of {}; the journal has all.",
                                kMaxEvents, notices.size()));
  }
  return element("section", "", html + warnings_html(input.history.warnings));
}

std::string config_html(const ReportInput& input) {
  if (input.config_toml.empty()) return "";
  // One that this version cannot read is shown as it stands.
  const std::string body =
      input.config
          ? element("div", "panel rows", config_tables(*input.config)) +
                element("p", "hint", "Bold: differs from the default.")
          : element("pre", "panel", escape_html(input.config_toml));
  return element("section", "",
                 element("h2", "", "Config") +
                     "<details><summary>All values and what they mean"
                     "</summary>" +
                     body + "</details>");
}

}  // namespace colossus::runtime
