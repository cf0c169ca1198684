#!/bin/sh
# Syncs a copy of examples/repo into the embedded PostgreSQL and shows what a user sees: a plan, its apply, the empty plan
# after it, and an export that changes no byte. Each claim is checked: a demo that fails says so with its exit code.
set -eu
cd -- "$(dirname -- "$0")/.."
top=$(pwd -P)
demo=.demo/repo

# The demo's database is its own, whatever the caller's environment names.
unset WFSYNC_DATABASE_URL WFSYNC_CONFIG WFSYNC_TENANT WFSYNC_ENV PGHOST PGHOSTADDR PGDATABASE PGSERVICE 2>/dev/null || :

wfsync() { "$top/.venv/bin/python" -m wfsync "$@"; }
show() { printf '\n$ wfsync %s\n' "$*"; wfsync "$@"; }
checksums() { find . -name .git -prune -o -name .wfsync -prune -o -type f -exec cksum {} + | LC_ALL=C sort; }
fail() { printf '\nmake demo: %s\n' "$1" >&2; exit 1; }

if [ -d "$demo/.wfsync" ]; then (cd -- "$demo" && wfsync --quiet db stop >/dev/null) || fail "cannot stop the server of the last demo"; fi
rm -rf -- "$demo"
mkdir -p -- "$demo"
cp -R -- examples/repo/. "$demo"
rm -rf -- "$demo/.wfsync" "$demo/.git"
# A repository of its own: the git program is not needed for that.
"$top/.venv/bin/python" tools/demo_repository.py "$demo"

cd -- "$demo"
trap 'wfsync --quiet db stop >/dev/null 2>&1 || :' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
echo "A copy of examples/repo, committed to a git repository of its own: $demo"

show plan
show apply
show plan --detailed-exitcode || fail "the plan after an apply is not empty"
before=$(checksums)
show export --all
[ "$before" = "$(checksums)" ] || fail "the export changed a file"
show export --all --check || fail "the database and the files differ"

printf '\nNo byte of the repository changed. Look around: cd %s && ../../.venv/bin/wfsync --help\n' "$demo"
