// The program `colossus`: everything is in cli.h.
#include "cli/cli.h"

int main(int argc, char** argv) { return colossus::cli::run(argc, argv); }
