"""Benchmarks: ratios against a peer or a limit, both sides in one run. `make bench` prints a line of JSON for each."""
