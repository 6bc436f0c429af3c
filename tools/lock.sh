#!/bin/sh
# Writes requirements/*.txt anew from pyproject.toml: every package pinned with its hashes, no index named.
set -eu
cd "$(dirname "$0")/.."
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
sh tools/environment.sh run
.venv/bin/python -m venv "$tools"
"$tools/bin/pip" install --quiet --disable-pip-version-check pip-tools
lock() {
    "$tools/bin/pip-compile" --quiet --upgrade --generate-hashes --strip-extras --allow-unsafe --no-header \
        --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-emit-options "$@" pyproject.toml
}
lock --output-file requirements/run.txt
lock --extra dev --constraint requirements/run.txt --output-file requirements/dev.txt
lock --extra bench --constraint requirements/run.txt --output-file requirements/bench.txt
