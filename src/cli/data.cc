// `colossus data`: prepare makes a dataset folder, info describes one, verify
// checks every byte of one.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <memory>
#include <string>

#include "base/error.h"
#include "base/strings.h"
#include "cli/commands.h"
#include "cli/stop_signal.h"
#include "data/dataset.h"
#include "data/prepare.h"

namespace colossus::cli {
namespace {

// One line on a terminal, rewritten a few times a second; elsewhere a line for
// each stage.
class ProgressLine {
 public:
  void show(const data::PrepareProgress& progress) {
    const auto now = Clock::now();
    if (progress.stage != stage_) begin_stage(progress.stage, now);
    if (!is_terminal_ || now < next_) return;
    next_ = now + std::chrono::milliseconds(200);
    fmt::print(stderr, "\r\033[K{}", text_of(progress, now));
    std::fflush(stderr);
    has_line_ = true;
  }
  void clear() {
    if (has_line_) fmt::print(stderr, "\r\033[K");
    has_line_ = false;
  }

 private:
  using Clock = std::chrono::steady_clock;

  void begin_stage(const std::string& stage, Clock::time_point now) {
    stage_ = stage;
    stage_start_ = now;
    next_ = now;
    if (!is_terminal_) fmt::print(stderr, "{}\n", stage);
  }

  std::string text_of(const data::PrepareProgress& progress,
                      Clock::time_point now) const {
    std::string text = progress.stage;
    const std::chrono::duration<double> passed = now - stage_start_;
    if (progress.num_bytes_total > 0) {
      text += fmt::format(
          "  {}%", 100 * progress.num_bytes_done / progress.num_bytes_total);
    }
    if (progress.num_bytes_done > 0 && passed.count() > 0) {
      const double rate =
          static_cast<double>(progress.num_bytes_done) / passed.count();
      text += fmt::format("  {}  {}/s", human_bytes(progress.num_bytes_done),
                          human_bytes(static_cast<uint64_t>(rate)));
    }
    return text;
  }

  const bool is_terminal_ = isatty(STDERR_FILENO) != 0;
  std::string stage_;
  Clock::time_point stage_start_;
  Clock::time_point next_;
  bool has_line_ = false;
};

void print_split(const char* name, const data::SplitInfo& split) {
  const double bytes_per_token =
      split.num_tokens > 0 ? static_cast<double>(split.num_text_bytes) /
                                 static_cast<double>(split.num_tokens)
                           : 0;
  fmt::print(
      "{:<10}{:>16} tokens {:>12} documents {:>12} of text"
      "  ({:.2f} bytes a token)\n",
      name, with_thousands(split.num_tokens),
      with_thousands(split.num_documents),
      human_bytes(static_cast<uint64_t>(split.num_text_bytes)),
      bytes_per_token);
}

void print_info(const std::string& folder) {
  const data::DatasetInfo info = data::read_dataset_info(folder);
  fmt::print("{}: vocabulary of {} tokens, tokenizer {}\n", folder,
             with_thousands(info.vocab_size), info.tokenizer_hash.hex());
  print_split("train", info.train);
  print_split("val", info.val);
  if (info.num_excluded_documents > 0) {
    fmt::print("excluded  {:>16} documents, {} of text\n",
               with_thousands(info.num_excluded_documents),
               human_bytes(static_cast<uint64_t>(info.num_excluded_bytes)));
  }
}

void run_prepare(data::PrepareOptions options) {
  StopSignal stop;
  ProgressLine progress;
  options.stop = &stop.requested();
  options.on_progress = [&](const data::PrepareProgress& now) {
    progress.show(now);
  };
  options.on_note = [&](const std::string& note) {
    progress.clear();
    fmt::print(stderr, "note: {}\n", note);
  };
  const data::PrepareOutcome outcome = data::prepare(options);
  progress.clear();
  if (outcome == data::PrepareOutcome::kStopped) {
    fmt::print(stderr,
               "stopped by {}; the same command goes on behind the last "
               "finished stage\n",
               stop.reason());
    throw Stopped();
  }
  if (outcome == data::PrepareOutcome::kUpToDate) {
    fmt::print("{} is up to date\n", options.out);
  }
  print_info(options.out);
}

void verify(const std::string& folder) {
  const data::Dataset dataset = data::open_dataset(folder);
  dataset.train.verify();
  dataset.val.verify();
  fmt::print("{}: every byte is as it was written\n", folder);
}

void add_input_flags(CLI::App& command, data::PrepareOptions& options) {
  command
      .add_option(
          "inputs", options.inputs,
          "files, folders, \"globs\" or - for standard input: .txt, .md "
          "and .jsonl, each also with .gz or .zst behind it")
      ->required();
  command.add_option("--out", options.out, "folder to write")->required();
  command
      .add_option("--text-field", options.read.text_field,
                  "field of a .jsonl line that holds the text")
      ->capture_default_str();
  command.add_option("--document-separator", options.read.document_separator,
                     "in text files a line equal to this ends a document and "
                     "is left out");
  command.add_option("--document-start", options.read.document_start,
                     "in text files a line that fits this regular expression "
                     "begins a document");
  command
      .add_option("--max-document-bytes", options.read.max_document_bytes,
                  "longer documents are cut; 0 = 1 MiB, or less where there "
                  "are too few documents to split")
      ->capture_default_str();
  command
      .add_option(
          "--invalid-utf8",
          [&options](const CLI::results_t& values) {
            options.read.keep_invalid_utf8 = values[0] == "bytes";
            return values[0] == "bytes" || values[0] == "error";
          },
          "bytes of text files that are not UTF-8: error, or keep them "
          "as bytes")
      ->type_name("error|bytes");
  command
      .add_option("--stdin-format", options.stdin_format,
                  "kind of text on standard input, as a file's name ends")
      ->capture_default_str();
}

void add_split_flags(CLI::App& command, data::PrepareOptions& options) {
  auto* files = command.add_option(
      "--val-files,--validation", options.val_inputs,
      "validate on these inputs, and train on all of the others");
  auto* every = command.add_option(
      "--val-every", options.val_every,
      "N:K = validate on the documents whose number, from 0, is K mod N");
  command
      .add_option("--val-fraction", options.val_fraction,
                  "share of documents, chosen by a hash of their text, to "
                  "validate on; 0 = none")
      ->capture_default_str()
      ->excludes(files)
      ->excludes(every);
  every->excludes(files);
  command.add_option("--exclude-every", options.exclude_every,
                     "N:K = leave these documents out altogether");
}

void add_prepare(CLI::App& app) {
  auto options = std::make_shared<data::PrepareOptions>();
  CLI::App* command = add_command(
      app, "prepare", "Makes a tokenizer and token files from texts.",
      "  colossus data prepare my-texts/ --out data/mine --vocab-size 8192\n"
      "  zcat dump.gz | colossus data prepare - --stdin-format jsonl --out "
      "data/dump");
  add_input_flags(*command, *options);
  auto* vocab_size = command
                         ->add_option("--vocab-size", options->vocab_size,
                                      "tokens of the tokenizer to train")
                         ->capture_default_str();
  command
      ->add_option("--tokenizer", options->tokenizer,
                   "an existing SentencePiece .model, instead of training one")
      ->excludes(vocab_size);
  add_split_flags(*command, *options);
  command
      ->add_option("--threads", options->num_threads,
                   "threads to tokenize with; 0 = one a core")
      ->capture_default_str();
  set_action(*command, [options] { run_prepare(*options); });
}

void add_folder_command(CLI::App& app, const std::string& name,
                        const std::string& purpose,
                        void (*action)(const std::string&)) {
  auto folder = std::make_shared<std::string>();
  CLI::App* command = add_command(
      app, name, purpose, fmt::format("  colossus data {} data/mine", name));
  command->add_option("folder", *folder, "what `data prepare` wrote")
      ->required();
  set_action(*command, [folder, action] { action(*folder); });
}

}  // namespace

void add_data(CLI::App& app) {
  CLI::App* command = add_command(
      app, "data", "Prepares text for training.",
      "  colossus data prepare my-texts/ --out data/mine --vocab-size 8192");
  command->require_subcommand(1);
  add_prepare(*command);
  add_folder_command(*command, "info", "Says what a data folder holds.",
                     print_info);
  add_folder_command(*command, "verify",
                     "Checks every byte of a data folder's files.", verify);
}

}  // namespace colossus::cli
