# Two commands: `make demo` and `make test`. What they need is made in .venv the first time.
# PORT (8000) and ASCOLTO_DATA_DIR (.ascolto) come from the environment.
.PHONY: demo test faults bench lock format messages clean
.NOTPARALLEL:
MAKEFLAGS += --no-print-directory
PYTHON := .venv/bin/python

demo:
	@sh tools/environment.sh run
	@exec $(PYTHON) -m config.supervisor

test:
	@sh tools/environment.sh dev
	@sh tools/system-packages.sh
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m ruff check .
	$(PYTHON) -m mypy .
	$(PYTHON) -c "from importlinter.cli import lint_imports_command; lint_imports_command()"
	$(PYTHON) tools/check_translations.py
	$(PYTHON) tools/run_tests.py

# The faults of a send with the waits of real life: about half an hour. `make test` runs them at a twentieth.
faults:
	@sh tools/environment.sh dev
	ASCOLTO_TIME_SCALE=1 $(PYTHON) -m pytest tests/conversations/test_outbox_faults.py

bench:
	@sh tools/environment.sh bench
	@$(PYTHON) -m bench

lock:
	@sh tools/lock.sh

format:
	@sh tools/environment.sh dev
	$(PYTHON) -m ruff check --fix .
	$(PYTHON) -m ruff format .

# Collects the strings to translate into the catalogues.
messages:
	@sh tools/environment.sh dev
	@sh tools/system-packages.sh
	$(PYTHON) tools/check_translations.py --write

# The data folder stays: remove .ascolto by hand to begin anew.
clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -prune -exec rm -rf {} +
	find locale -name '*.mo' -delete
