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
say() { printf '\n%s\n' "$1"; }
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
# Messages (stderr) go where the results go, so that a log of the demo has both in order.
exec 2>&1
echo "A copy of examples/repo, committed to a git repository of its own: $demo"

say "1. What is in git and not in the database? No database is named, so wfsync starts a PostgreSQL of its own."
show plan
say "2. Make it so, in one transaction."
show --quiet apply
say "3. Nothing is left to do: the plan is empty, and so its exit code is 0."
show --quiet plan --detailed-exitcode || fail "the plan after an apply is not empty"
say "4. The way back: files that say the same as the database keep every byte."
before=$(checksums)
show --quiet export --all
[ "$before" = "$(checksums)" ] || fail "the export changed a file"
show --quiet export --all --check || fail "the database and the files differ"
say "5. Do the workflows do what they should? Their tests need no database, and waits take no time."
show --quiet test
say "6. And for real, on the same PostgreSQL: what the file says is executed, with stubs for the actions that nobody has here."
show --quiet run support.ticket-triage --payload '{"ticketId": "T-1", "subject": "Printer on fire", "customerId": "C-7"}'

say "No byte of the repository changed. Look around: cd $demo && ../../.venv/bin/wfsync --help"
