#!/bin/sh
# Writes requirements/*.txt anew from pyproject.toml: every package pinned with its hashes, no index named.
# Resolved for Python 3.11.0: later releases of 3.11 need less (async-timeout), Debian's need all of it.
set -eu
cd "$(dirname "$0")/.."
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
sh tools/environment.sh run
.venv/bin/python -m venv "$tools"
"$tools/bin/pip" install --quiet --disable-pip-version-check uv
lock() {
    "$tools/bin/uv" pip compile --quiet --upgrade --generate-hashes --python-version 3.11 --no-header \
        --no-emit-index-url --no-emit-find-links "$@" pyproject.toml
}
lock --output-file requirements/run.txt
lock --extra dev --constraint requirements/run.txt --output-file requirements/dev.txt
lock --extra bench --constraint requirements/run.txt --output-file requirements/bench.txt
