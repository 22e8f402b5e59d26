# Everything a fresh machine needs is Python 3.11 or later and make: each target sets up what it
# uses. `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SECURITY_VENV := .venv-security
SECURITY := $(SECURITY_VENV)/.installed
UNLEARND_HOME ?= $(CURDIR)/.unlearnd
DEMO_ARGS ?=
TEST_ARGS ?=
FAULTS_ARGS ?=
FUZZ_ARGS ?=
NUMERICS_ARGS ?=
SEED ?=
BENCH_ARGS ?=

.PHONY: help
help: ## List the targets.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | sed -E 's/^([a-z-]+):.*## /  \1|/' | column -t -s '|'

# Exactly the files that locks/all.txt names.
$(STAMP): pyproject.toml locks/all.txt locks/all-cpu.txt locks/torch.txt locks/build.txt deploy/install.sh
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo 'unlearnd needs Python 3.11 or later: make PYTHON=/path/to/python3.11'; exit 1; }
	$(PYTHON) -m venv $(VENV)
	deploy/install.sh $(BIN)/python all -e
	@touch $@

# What locks and what looks for weaknesses does not share the versions of the project.
$(SECURITY): locks/security.txt
	$(PYTHON) -m venv $(SECURITY_VENV)
	$(SECURITY_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r locks/security.txt
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
chaos: MINUTES ?= 20
chaos: $(STAMP) ## Faults at random, then one check of everything; MINUTES=20 SEED=17.
	CHAOS_MINUTES='$(MINUTES)' CHAOS_SEED='$(SEED)' $(BIN)/python -m pytest -m chaos tests/faults/test_chaos.py

.PHONY: fuzz
fuzz: MINUTES ?= 10
fuzz: $(STAMP) ## Throw generated requests at the API and check every answer; MINUTES=10 SEED=17.
	$(BIN)/python -m tests.fuzz --minutes '$(MINUTES)' $(if $(SEED),--seed '$(SEED)') $(FUZZ_ARGS)

.PHONY: numerics
numerics: $(STAMP) ## Run the numeric tests as on other processors; NUMERICS_ARGS="avx2 -k redirect".
	$(BIN)/python -m tests.numerics $(NUMERICS_ARGS)

.PHONY: bench
bench: $(STAMP) ## Compare unlearning methods; BENCH_ARGS="--tasks memorised-100 --seeds 1".
	$(BIN)/python -m bench.unlearning $(BENCH_ARGS)

.PHONY: bench-gate
bench-gate: $(STAMP) ## Ask the gate about networks whose worth is known; BENCH_ARGS="--seeds 3".
	$(BIN)/python -m bench.gate $(BENCH_ARGS)

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

.PHONY: lock
lock: $(SECURITY) ## Write locks/ anew from pyproject.toml and constraints.txt, with a hash for every file.
	UV='$(SECURITY_VENV)/bin/uv' PYTHON='$(SECURITY_VENV)/bin/python' deploy/lock.sh

.PHONY: bandit
bandit: $(SECURITY) ## Look for unsafe code.
	$(SECURITY_VENV)/bin/bandit --quiet --configfile pyproject.toml --recursive service workers migrations

.PHONY: pip-audit
pip-audit: $(SECURITY) ## Ask for known weaknesses of every pinned package; it needs the network.
	for set_up in service worker all security; do $(SECURITY_VENV)/bin/pip-audit --strict --disable-pip --require-hashes --requirement locks/$$set_up.txt; done

.PHONY: sbom
sbom: $(STAMP) $(SECURITY) ## Write lists of parts (CycloneDX) into sbom/: with hashes by set-up, and with licences as installed here.
	mkdir -p sbom
	for set_up in service worker worker-cpu; do PYTHONWARNINGS=ignore $(SECURITY_VENV)/bin/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible --of JSON --output-file sbom/$$set_up.cdx.json locks/$$set_up.txt; done
	$(SECURITY_VENV)/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible --of JSON --output-file sbom/installed.cdx.json $(VENV)

.PHONY: migration
migration: $(STAMP) ## Draft a migration from the tables: make migration NAME="add what".
	$(BIN)/python -m migrations.draft '$(NAME)'

.PHONY: clean
clean: ## Remove the virtual environment, caches and the local home.
	rm -rf $(VENV) $(SECURITY_VENV) sbom .unlearnd .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
