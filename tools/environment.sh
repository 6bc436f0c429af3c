#!/bin/sh
# environment.sh run|dev|bench: makes .venv, and brings it to requirements/<name>.txt when that lock file changed.
set -eu
cd "$(dirname "$0")/.."
lock="requirements/$1.txt"
stamp=".venv/installed/$1.txt"

fail() { echo "$1" >&2; exit 1; }

find_python() {
    for name in python3.11 python3 python3.12 python3.13; do
        if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then echo "$name"; return; fi
    done
    fail "Python 3.11 or newer is missing: install it, then try again."
}

# Debian splits ensurepip off into a package of its own.
need_venv() {
    "$1" -c 'import ensurepip' 2>/dev/null && return
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null ||
        fail "Python's venv module is missing: install it (as root: apt-get install python3-venv), then try again."
    echo "Installing python3-venv ..."
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y python3-venv >/dev/null
}

if ! .venv/bin/python -c '' 2>/dev/null; then
    python=$(find_python)
    need_venv "$python"
    rm -rf .venv
    "$python" -m venv .venv
fi
# So that every program of .venv finds our packages, whatever folder it is started from.
site=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
[ "$(cat "$site/ascolto.pth" 2>/dev/null)" = "$PWD" ] || echo "$PWD" >"$site/ascolto.pth"

cmp -s "$lock" "$stamp" && exit 0
echo "Installing $lock ..."
.venv/bin/python -m pip install -qq --disable-pip-version-check --no-input --no-compile --require-hashes -r "$lock"
mkdir -p .venv/installed
cp "$lock" "$stamp"
# The other locks hold all of this one.
[ "$1" = run ] || cp requirements/run.txt .venv/installed/run.txt
