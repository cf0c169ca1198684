#!/bin/sh
# Stops every embedded server that was started in this checkout, then removes what make, tests and tools have made.
# The servers first: their programs live in .venv, and a data folder must not vanish below a running server.
set -eu
cd -- "$(dirname -- "$0")/.."
python=$(pwd -P)/.venv/bin/python
unset WFSYNC_DATABASE_URL WFSYNC_CONFIG WFSYNC_TENANT WFSYNC_ENV PGHOST PGHOSTADDR PGDATABASE PGSERVICE 2>/dev/null || :

stopped=yes
while IFS= read -r state; do
    [ -n "$state" ] || continue
    if ! [ -x "$python" ]; then
        echo "make clean: $state may hold a running server and .venv is gone: run \`make install\`, then \`make clean\`" >&2
        stopped=no
    elif (cd -- "$(dirname -- "$state")" && "$python" -m wfsync --quiet db stop >/dev/null </dev/null); then
        rm -rf -- "$state"
    else
        echo "make clean: the server of $state could not be stopped; nothing is removed" >&2
        stopped=no
    fi
done <<END
$(find . \( -name .venv -o -name .git \) -prune -o -type d -name .wfsync -prune -print)
END
[ "$stopped" = yes ] || exit 1

rm -rf -- .demo .bench .venv .venv.lock build dist htmlcov coverage.xml .coverage .coverage.* \
    .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
find src tests tools -type d -name __pycache__ -prune -exec rm -rf -- {} +
