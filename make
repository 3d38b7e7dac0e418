#!/bin/sh
# `make` for a machine that may not have it yet: installs it if it is missing,
# then runs it here with the same arguments, from whatever folder.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
command -v make >/dev/null || "$root/tools/setup" make
exec make -C "$root" "$@"
