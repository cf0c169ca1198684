#!/bin/sh
# install.sh run|dev: makes .venv hold exactly what requirements/<name>.txt says and wfsync itself, editable.
# Does nothing when that is so already. PYTHON names the interpreter; else the first fitting one on the PATH is taken.
set -eu
cd -- "$(dirname -- "$0")/.."
wanted=$1
root=$(pwd -P)

# What was installed is a function of these. The folder is among them: an editable install holds its path.
state=$(printf '%s\n' "$root"; cksum requirements/run.txt "requirements/$wanted.txt" pyproject.toml tools/install.sh)
stamp=.venv/.installed-$wanted
if [ -x .venv/bin/python ] && [ -f "$stamp" ] && [ "$(cat -- "$stamp")" = "$state" ]; then exit 0; fi

fits() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' >/dev/null 2>&1; }
can_make_venv() { "$1" -c 'import ensurepip, venv' >/dev/null 2>&1; }

find_python() {  # Prints the interpreter; explains itself on stderr when there is none.
    incomplete=
    for candidate in ${PYTHON:+"$PYTHON"} python3 python3.14 python3.13 python3.12 python3.11 python /usr/bin/python3; do
        if fits "$candidate"; then
            if can_make_venv "$candidate"; then echo "$candidate"; return; fi
            incomplete=${incomplete:-$candidate}
        fi
        # An interpreter that somebody asked for by name is used or refused, never silently replaced.
        if [ -n "${PYTHON:-}" ]; then break; fi
    done
    if [ -n "$incomplete" ]; then
        version=$("$incomplete" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
        echo "make: $incomplete (Python $version) cannot make virtual environments: its module ensurepip is missing." >&2
        echo "      Debian, Ubuntu: apt-get install python3-venv (or python$version-venv). Or: make PYTHON=/another/python" >&2
    elif [ -n "${PYTHON:-}" ]; then
        echo "make: PYTHON=$PYTHON is no Python 3.11, 3.12, 3.13 or 3.14 (it says: $("$PYTHON" --version 2>&1 | head -n 1))." >&2
    else
        found=$(python3 --version 2>&1 | head -n 1) || found=
        echo "make: wfsync needs Python 3.11, 3.12, 3.13 or 3.14; python3 on the PATH is: ${found:-missing}." >&2
        echo "      Install one (Debian, Ubuntu: apt-get install python3 python3-venv), or name it: make PYTHON=/path/to/python3.12" >&2
    fi
    return 1
}

# Settings meant for other installations must not lead this one out of its environment.
unset PYTHONHOME PYTHONPATH PIP_TARGET PIP_PREFIX PIP_ROOT PIP_REQUIRE_HASHES PIP_CONSTRAINT 2>/dev/null || :
export PIP_USER=0 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_ROOT_USER_ACTION=ignore
# pip complains loudly about a cache that it cannot write.
cache=${PIP_CACHE_DIR:-${XDG_CACHE_HOME:-${HOME:-/nonexistent}/.cache}/pip}
if ! { mkdir -p -- "$cache" && [ -w "$cache" ] && [ -O "$cache" ]; } 2>/dev/null; then export PIP_NO_CACHE_DIR=1; fi

# Two makes at once wait for each other. A lock left by a kill is recognised by its dead owner, or by having none.
lock=.venv.lock
waited=0
until mkdir -- "$lock" 2>/dev/null; do
    if [ ! -d "$lock" ] && [ ! -w . ]; then echo "make: cannot write to $root" >&2; exit 1; fi
    owner=$(cat -- "$lock/pid" 2>/dev/null) || owner=
    if [ -n "$owner" ] && [ "$waited" = 3 ]; then echo "make: waiting for process $owner, which is filling .venv" >&2; fi
    if [ -n "$owner" ] && ! ps -p "$owner" >/dev/null 2>&1 && ! kill -0 "$owner" 2>/dev/null; then rm -rf -- "$lock"; fi
    if [ -z "$owner" ] && [ "$waited" -ge 10 ]; then rm -rf -- "$lock"; fi
    sleep 1
    waited=$((waited + 1))
done
echo $$ >"$lock/pid"
trap 'rm -rf -- "$lock"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
if [ -x .venv/bin/python ] && [ -f "$stamp" ] && [ "$(cat -- "$stamp")" = "$state" ]; then exit 0; fi

# An environment that was moved, or made by a Python that is gone, is made anew.
if [ -d .venv ] && ! { fits .venv/bin/python && [ "$(cat .venv/.made-in 2>/dev/null)" = "$root" ]; }; then rm -rf -- .venv; fi
if [ ! -d .venv ]; then
    python=$(find_python) || exit 1
    echo "make: creating .venv with $("$python" --version)" >&2
    "$python" -m venv .venv || { rm -rf -- .venv; exit 1; }
    printf '%s\n' "$root" >.venv/.made-in
fi

rm -f -- "$stamp"
echo "make: installing requirements/$wanted.txt into .venv" >&2
.venv/bin/python -m pip install -qq --require-hashes --only-binary :all: -r "requirements/$wanted.txt"
# The project's own metadata (version, entry point); its dependencies are the locked ones above, its code is src/.
.venv/bin/python -m pip install -qq --no-deps --no-build-isolation --no-index -e .
# pip compiles what it installs, but not what it only points at: that would cost each start a third, where Python is told
# to write no bytecode itself (PYTHONDONTWRITEBYTECODE).
.venv/bin/python -m compileall -q src
printf '%s\n' "$state" >"$stamp"
