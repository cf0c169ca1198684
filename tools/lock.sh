#!/bin/sh
# Resolves pyproject.toml into requirements/*.txt: every file of every version with its hash, for CPython 3.11 to 3.14 on
# Linux and macOS. No index, no file address and no registry's name is written: pip asks whatever it is configured with.
set -eu
cd -- "$(dirname -- "$0")/.."

if [ -n "${UV:-}" ]; then :
elif command -v uv >/dev/null 2>&1; then UV=uv
else echo "make lock needs uv (https://docs.astral.sh/uv/): put it on the PATH or set UV=/path/to/uv" >&2; exit 1
fi

header() {
    echo "# Written by \`make lock\` from pyproject.toml ($1). Do not edit."
    echo "# Install: pip install --require-hashes --only-binary :all: -r $2"
}

resolve() {  # resolve OUTPUT TITLE OPTION...
    out=$1 title=$2
    shift 2
    # An existing file is read as preference: what nothing forces to move stays. LOCK_UPGRADE=1 takes the newest.
    if [ -z "${LOCK_UPGRADE:-}" ] && [ -f "$out" ]; then cp -- "$out" "$out.new"; fi
    "$UV" pip compile pyproject.toml --quiet --universal --python-version 3.11 --only-binary :all: \
        --generate-hashes --no-header --no-emit-index-url --no-emit-find-links --no-annotate \
        ${LOCK_UPGRADE:+--upgrade} "$@" --output-file "$out.new" >/dev/null
    { header "$title" "$out"; cat -- "$out.new"; } >"$out"
    rm -f -- "$out.new"
}

resolve requirements/run.txt "what the program needs, and what installs it" --group build
resolve requirements/runtime.txt "the same and the test instance" --group build --extra runtime --constraint requirements/run.txt
resolve requirements/dev.txt "the same and what tests and linters need" --group dev --extra runtime --constraint requirements/runtime.txt
