// The assembler puts the files' bytes among the constants. (A string literal of
// their size is beyond what compilers promise to take.)
#include "planner/embedded_data.h"

#define EMBED(name, file)                                                  \
  asm(".pushsection .rodata\n"                                             \
      ".global colossus_" #name                                            \
      "\n"                                                                 \
      "colossus_" #name                                                    \
      ":\n"                                                                \
      ".incbin \"" COLOSSUS_PLANNER_DATA "/" file                          \
      "\"\n"                                                               \
      ".global colossus_" #name                                            \
      "_end\n"                                                             \
      "colossus_" #name                                                    \
      "_end:\n"                                                            \
      ".byte 0\n"                                                          \
      ".popsection\n");                                                    \
  extern "C" {                                                             \
  extern const char colossus_##name[];                                     \
  extern const char colossus_##name##_end[];                               \
  }                                                                        \
  namespace colossus::planner {                                            \
  std::string_view name() {                                                \
    return {colossus_##name,                                               \
            static_cast<size_t>(colossus_##name##_end - colossus_##name)}; \
  }                                                                        \
  }

EMBED(gpus_toml, "gpus.toml")
EMBED(nodes_toml, "nodes.toml")
EMBED(networks_toml, "networks.toml")
EMBED(runs_toml, "runs.toml")
EMBED(goodput_runs_toml, "goodput_runs.toml")
EMBED(published_runs_csv, "published_runs.csv")
EMBED(out_of_memory_csv, "out_of_memory.csv")
EMBED(single_node_a100_csv, "single_node_a100.csv")
