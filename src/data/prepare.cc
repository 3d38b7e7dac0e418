#include "data/prepare.h"

#include <algorithm>
#include <exception>
#include <optional>
#include <thread>

#include "base/error.h"
#include "data/prepare_state.h"
#include "data/prepare_watch.h"
#include "data/scan.h"
#include "data/tokenize_corpus.h"
#include "data/tokenizer_trainer.h"

namespace colossus::data {
namespace {

constexpr int64_t kDefaultDocumentBytes = 1 << 20;
constexpr size_t kSampleBytes = 32 << 20;
constexpr const char* kStdinCopy = "stdin.copy";

void check_options(const PrepareOptions& options) {
  if (options.inputs.empty()) throw user_error("no inputs to prepare");
  if (options.out.empty()) throw user_error("--out: a folder is needed");
  if (!(options.val_fraction >= 0 && options.val_fraction < 1)) {
    throw user_error("--val-fraction {}: must be in [0, 1)",
                     options.val_fraction);
  }
  if (!options.val_inputs.empty() && !options.val_every.empty()) {
    throw user_error("--val-every and --val-files: only one of them");
  }
  if (options.tokenizer.empty()) check_vocab_size(options.vocab_size);
}

SplitRule split_rule(const PrepareOptions& options) {
  SplitRule rule;
  rule.exclude_every =
      parse_every_rule(options.exclude_every, "--exclude-every");
  rule.val_every = parse_every_rule(options.val_every, "--val-every");
  if (options.val_inputs.empty()) rule.val_fraction = options.val_fraction;
  return rule;
}

// Standard input is read once, but needed twice. Its hash stands for the time
// of change that a file has.
InputFile copy_stdin(const PrepareOptions& options, const PrepareWatch& watch) {
  InputFile file{join_path(options.out, kStdinCopy), "-", {}, 0, 0, {}};
  if (!format_of_name("." + options.stdin_format, file.format)) {
    throw user_error("--stdin-format {}: must be one of {}",
                     options.stdin_format, known_formats());
  }
  options.fs->create_directories(options.out);
  const auto source = open_byte_source("-");
  const auto copy = options.fs->create(file.path);
  StreamingHash128 content;
  std::vector<char> buffer(1 << 20);
  while (const size_t count = source->read(buffer.data(), buffer.size())) {
    copy->append(std::as_bytes(std::span(buffer.data(), count)));
    content.update(buffer.data(), count);
    file.num_bytes += count;
    watch.report("copying standard input", file.num_bytes, 0);
  }
  copy->close();
  file.content = content.digest();
  return file;
}

void add_files(const std::vector<std::string>& inputs,
               const PrepareOptions& options, const PrepareWatch& watch,
               std::vector<InputFile>& files) {
  for (const std::string& input : inputs) {
    if (input == "-") {
      files.push_back(copy_stdin(options, watch));
      continue;
    }
    const InputList list = list_inputs({input});
    if (list.num_skipped > 0) {
      watch.note(fmt::format("{}: {} files of other kinds skipped, such as {}",
                             input, list.num_skipped, list.a_skipped_one));
    }
    files.insert(files.end(), list.files.begin(), list.files.end());
  }
}

CorpusPlan make_plan(const PrepareOptions& options, const PrepareWatch& watch) {
  std::vector<std::string> all = options.inputs;
  all.insert(all.end(), options.val_inputs.begin(), options.val_inputs.end());
  if (std::count(all.begin(), all.end(), "-") > 1) {
    throw user_error("\"-\" (standard input) is given twice");
  }
  CorpusPlan plan;
  plan.rule = split_rule(options);
  plan.read = options.read;
  if (plan.read.max_document_bytes == 0) {
    plan.read.max_document_bytes = kDefaultDocumentBytes;
  }
  validate(plan.read);
  add_files(options.inputs, options, watch, plan.files);
  plan.num_train_files = plan.files.size();
  add_files(options.val_inputs, options, watch, plan.files);
  return plan;
}

bool is_up_to_date(const std::string& folder, const Hash128& fingerprint) {
  const auto state = read_prepare_state(folder);
  if (!state || state->fingerprint != fingerprint) return false;
  try {
    open_dataset(folder);
    return true;
  } catch (const UserError&) {
    return false;
  } catch (const CorruptFile&) {
    return false;
  }
}

// The tokenizer that an earlier, stopped call left, if it is whole.
std::optional<Tokenizer> finished_tokenizer(const std::string& folder,
                                            const PrepareState& state) {
  const std::string path = join_path(folder, kTokenizerFile);
  if (!path_exists(path)) return std::nullopt;
  try {
    Tokenizer tokenizer = Tokenizer::from_file(path);
    if (tokenizer.hash() != state.tokenizer_hash) return std::nullopt;
    return tokenizer;
  } catch (const UserError&) {
    return std::nullopt;
  }
}

Tokenizer train(const PrepareOptions& options, const TextSample& sample,
                const PrepareWatch& watch) {
  watch.report("training tokenizer", 0, 0);
  Tokenizer tokenizer = Tokenizer::from_bytes(
      train_tokenizer(sample.texts(), options.vocab_size), "the new tokenizer");
  if (tokenizer.vocab_size() < options.vocab_size) {
    watch.note(fmt::format("the text has only enough to learn {} of {} tokens",
                           tokenizer.vocab_size(), options.vocab_size));
  }
  return tokenizer;
}

// The first pass and what depends on it alone.
Tokenizer make_tokenizer(const PrepareOptions& options, CorpusPlan& plan,
                         Scan& scan, const PrepareWatch& watch) {
  const bool may_cut_shorter = options.read.max_document_bytes == 0;
  if (!options.tokenizer.empty()) {
    Tokenizer tokenizer = Tokenizer::from_file(options.tokenizer);
    scan = scan_corpus(plan, may_cut_shorter, nullptr, watch);
    return tokenizer;
  }
  TextSample sample(kSampleBytes);
  scan = scan_corpus(plan, may_cut_shorter, &sample, watch);
  return train(options, sample, watch);
}

// As make_tokenizer, but takes what an earlier call has finished.
Tokenizer tokenizer_stage(const PrepareOptions& options,
                          const Hash128& fingerprint, CorpusPlan& plan,
                          Scan& scan, const PrepareWatch& watch) {
  const auto state = read_prepare_state(options.out);
  if (state && state->fingerprint == fingerprint) {
    if (auto tokenizer = finished_tokenizer(options.out, *state)) {
      scan = state->scan;
      apply_scan(scan, plan);
      watch.note("going on behind the tokenizer, which was finished before");
      return std::move(*tokenizer);
    }
  }
  Tokenizer tokenizer = make_tokenizer(options, plan, scan, watch);
  write_file_atomically(*options.fs, join_path(options.out, kTokenizerFile),
                        tokenizer.model_bytes());
  write_prepare_state(*options.fs, options.out,
                      {fingerprint, tokenizer.hash(), scan});
  return tokenizer;
}

int num_threads(const PrepareOptions& options) {
  if (options.num_threads > 0) return options.num_threads;
  return static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
}

void remove_if_there(const PrepareOptions& options, const char* name) {
  const std::string path = join_path(options.out, name);
  if (path_exists(path)) options.fs->remove_file(path);
}

// Whatever the outcome: the next call copies standard input again.
class StdinCopyRemoval {
 public:
  explicit StdinCopyRemoval(const PrepareOptions& options)
      : options_(options) {}
  StdinCopyRemoval(const StdinCopyRemoval&) = delete;
  StdinCopyRemoval& operator=(const StdinCopyRemoval&) = delete;
  ~StdinCopyRemoval() {
    try {
      remove_if_there(options_, kStdinCopy);
    } catch (const std::exception&) {
      // It stays.
    }
  }

 private:
  const PrepareOptions& options_;
};

void add_sources(const CorpusPlan& plan, DatasetInfo& info) {
  for (size_t i = 0; i < plan.files.size(); ++i) {
    info.sources.push_back({plan.files[i].name,
                            static_cast<int64_t>(plan.files[i].num_bytes),
                            i >= plan.num_train_files});
  }
}

PrepareOutcome run_stages(const PrepareOptions& options,
                          const PrepareWatch& watch) {
  check_options(options);
  const StdinCopyRemoval removal(options);
  CorpusPlan plan = make_plan(options, watch);
  options.fs->create_directories(options.out);
  const Hash128 fingerprint =
      fingerprint_of(options, plan.files, plan.num_train_files);
  if (is_up_to_date(options.out, fingerprint)) {
    return PrepareOutcome::kUpToDate;
  }
  // From here on the folder is no dataset until all of it is there again.
  remove_if_there(options, kDatasetFile);
  Scan scan;
  const Tokenizer tokenizer =
      tokenizer_stage(options, fingerprint, plan, scan, watch);
  DatasetInfo info;
  info.vocab_size = tokenizer.vocab_size();
  info.tokenizer_hash = tokenizer.hash();
  info.options = options_json(options);
  add_sources(plan, info);
  tokenize_corpus(plan, scan, tokenizer, num_threads(options), *options.fs,
                  options.out, watch, info);
  write_dataset_info(*options.fs, options.out, info);
  return PrepareOutcome::kDone;
}

}  // namespace

PrepareOutcome prepare(const PrepareOptions& options) {
  try {
    return run_stages(options, PrepareWatch(options));
  } catch (const PrepareStopped&) {
    return PrepareOutcome::kStopped;
  }
}

}  // namespace colossus::data
