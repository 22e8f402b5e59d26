# Everything a fresh machine needs is Python 3.11 or later and make: each target sets up what it
# uses. `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
UNLEARND_HOME ?= $(CURDIR)/.unlearnd
DEMO_ARGS ?=
TEST_ARGS ?=
FAULTS_ARGS ?=
MINUTES ?= 20
SEED ?=
BENCH_ARGS ?=

.PHONY: help
help: ## List the targets.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | sed -E 's/^([a-z-]+):.*## /  \1|/' | column -t -s '|'

# The exact versions in constraints.txt are installed; torch first, because whatever else asks for
# it would take a wider range.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo 'unlearnd needs Python 3.11 or later: make PYTHON=/path/to/python3.11'; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch numpy
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[worker,tables,embedded,demo,bench,dev]'
	@touch $@

.PHONY: setup
setup: $(STAMP) ## Make the virtual environment.

.PHONY: demo
demo: $(STAMP) ## Run the main job on real images; DEMO_ARGS="--dataset fashion-mnist --report FILE".
	UNLEARND_HOME='$(UNLEARND_HOME)' $(BIN)/unlearnd demo $(DEMO_ARGS)

.PHONY: up
up: $(STAMP) ## Run the whole service on this machine until Ctrl-C.
	UNLEARND_HOME='$(UNLEARND_HOME)' $(BIN)/unlearnd up

# Two test processes share the cores, so threads that wait had better sleep than spin.
test faults chaos: export OMP_WAIT_POLICY := PASSIVE

.PHONY: test
test: $(STAMP) ## Run all tests but the drills, in two processes; TEST_ARGS="tests/service -x" narrows them down.
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m 'not faults and not chaos' $(TEST_ARGS)

.PHONY: faults
faults: $(STAMP) ## Run the fault drills of docs/runbooks/faults.md; FAULTS_ARGS="-k redis".
	$(BIN)/python -m pytest -n 2 --dist loadfile -m faults tests/faults $(FAULTS_ARGS)
	$(MAKE) chaos MINUTES=2

.PHONY: chaos
chaos: $(STAMP) ## Faults at random, then one check of everything; MINUTES=20 SEED=17.
	CHAOS_MINUTES='$(MINUTES)' CHAOS_SEED='$(SEED)' $(BIN)/python -m pytest -m chaos tests/faults/test_chaos.py

.PHONY: bench
bench: $(STAMP) ## Compare unlearning methods; BENCH_ARGS="--tasks memorised-100 --seeds 1".
	$(BIN)/python -m bench.unlearning $(BENCH_ARGS)

.PHONY: bench-scale
bench-scale: $(STAMP) ## Measure what a job costs as the data grow; BENCH_ARGS="--rows 1000,10000".
	$(BIN)/python -m bench.scale $(BENCH_ARGS)

.PHONY: bench-precision
bench-precision: $(STAMP) ## Measure what bfloat16 saves on this processor; BENCH_ARGS="--threads 2".
	$(BIN)/python -m bench.precision $(BENCH_ARGS)

.PHONY: bench-load
bench-load: $(STAMP) ## Measure what the service takes; BENCH_ARGS="--rows 100000 --seconds 2 --json FILE".
	$(BIN)/python -m bench.load $(BENCH_ARGS)

.PHONY: format
format: $(STAMP) ## Write the code in the house's form.
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: lint
lint: $(STAMP) ## Form, lint, types and import contracts, changing nothing.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

.PHONY: check
check: lint test ## All that must pass before a change lands.

.PHONY: migration
migration: $(STAMP) ## Draft a migration from the tables: make migration NAME="add what".
	$(BIN)/python -m migrations.draft '$(NAME)'

.PHONY: clean
clean: ## Remove the virtual environment, caches and the local home.
	rm -rf $(VENV) .unlearnd .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
