// `colossus verify CASE`: a reference case through the engine that trains.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "base/error.h"
#include "cli/commands.h"
#include "kernels/cpu/cpu_backend.h"
#include "kernels/reference/reference_backend.h"
#include "runtime/verify.h"

namespace colossus::cli {
namespace {

struct Options {
  std::vector<std::string> cases;
  double tolerance = 1e-4;
  bool brief = false;
  bool reference = false;
  std::string target = "auto";
  int threads = 0;
};

// Whether the case holds.
bool verify(const Options& options, const std::string& path,
            kernels::Backend& backend) {
  const runtime::Verification result = runtime::verify_case(path, backend);
  fmt::print("{}: {}\n", path, result.purpose);
  int past = 0;
  for (const runtime::Deviation& d : result.deviations) {
    const bool holds = d.relative_error <= options.tolerance;
    past += !holds;
    if (holds && options.brief) continue;
    fmt::print("  {:.3e}  {}{}\n", d.relative_error, d.name,
               holds ? "" : "   <- past the tolerance");
  }
  fmt::print("  {}: {} quantities, worst relative error {:.3e}, {} past {}\n",
             past == 0 ? "holds" : "FAILS", result.deviations.size(),
             result.worst(), past, options.tolerance);
  return past == 0;
}

void run(const Options& options) {
  const std::unique_ptr<kernels::Backend> backend =
      options.reference
          ? kernels::make_reference_backend()
          : kernels::make_cpu_backend(options.threads, options.target);
  fmt::print("kernels: {}\n", backend->description());
  int failed = 0;
  for (const std::string& path : options.cases) {
    failed += !verify(options, path, *backend);
  }
  if (failed > 0) {
    throw run_error("{} of {} cases are past the tolerance of {}", failed,
                    options.cases.size(), options.tolerance);
  }
}

}  // namespace

void add_verify(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command = add_command(
      app, "verify",
      "Runs reference cases (CASE.json beside CASE.safetensors) through the "
      "engine that trains and prints the relative error of logits, losses, "
      "hidden states, gradients, and the weights and losses of its AdamW "
      "steps.",
      "  colossus verify tests/conformance/grok1_moe\n"
      "  colossus verify tests/conformance/*.json --brief");
  command
      ->add_option("CASE", options->cases,
                   "path of CASE.json, CASE.safetensors, or without ending")
      ->required();
  command
      ->add_option("--tolerance", options->tolerance,
                   "largest relative error (2-norm) that is accepted")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  command->add_flag("--brief", options->brief,
                    "print only what is past the tolerance");
  command->add_flag("--reference-kernels", options->reference,
                    "use the slow kernels that sum in double");
  command->add_option("--target", options->target,
                      "instruction set: auto, avx512, avx2 or baseline");
  command->add_option("--threads", options->threads, "0: one a core")
      ->check(CLI::NonNegativeNumber);
  set_action(*command, [options] { run(*options); });
}

}  // namespace colossus::cli
