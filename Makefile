# The commands of Colossus; `make help` lists them. They work from any folder
# with `make -C`, and need root only while a package is missing.
ROOT := $(dir $(abspath $(lastword $(MAKEFILE_LIST))))
MAKEFLAGS += --no-print-directory
JOBS ?= $(shell nproc)
FUZZ_SECONDS ?= 60
export JOBS

.PHONY: help setup build train test bench format tidy debug asan tsan fuzz

help:  ## list these commands
	@grep -E '^[a-z]+:.*##' $(ROOT)Makefile | sed -E 's/:[^#]*## */\t/' | \
	  while IFS="$$(printf '\t')" read -r name text; do \
	    printf '  make %-8s %s\n' "$$name" "$$text"; done

build:  ## install what is missing and build the program
	@cd $(ROOT) && tools/setup build && tools/build release colossus

train: build  ## prepare the King James text, train a small Grok, let it write
	@cd $(ROOT) && tools/setup train && tools/train

test:  ## install what is missing, build, and run every test
	@cd $(ROOT) && tools/setup build test && tools/build release && \
	  tools/run_tests release

bench: build  ## measure kernels and whole steps, beside the best PyTorch
	@cd $(ROOT) && tools/build release products_bench && tools/setup-bench && \
	  bench/run.py

format:  ## put the code into its form
	@cd $(ROOT) && tools/setup test && tools/format --fix

tidy:  ## check the whole code with clang-tidy
	@cd $(ROOT) && tools/setup build test && tools/build release && tools/tidy

debug:  ## build without optimisation, and run every test
	@cd $(ROOT) && tools/setup build test && tools/build debug && \
	  tools/run_tests debug

asan:  ## run the tests under the address and undefined-behaviour sanitizers
	@cd $(ROOT) && tools/setup build test && tools/build asan && \
	  tools/run_tests asan

tsan:  ## run the tests under the thread sanitizer
	@cd $(ROOT) && tools/setup build test && tools/build tsan && \
	  tools/run_tests tsan

fuzz:  ## fuzz every reader of files, FUZZ_SECONDS=60 each
	@cd $(ROOT) && tools/setup build fuzz && tools/build fuzz fuzzers && \
	  tools/fuzz $(FUZZ_SECONDS)
