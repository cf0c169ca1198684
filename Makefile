# Needs make, a POSIX shell and Python 3.11 to 3.14; everything else goes into .venv. Every path is relative and quoted where
# a shell sees it, so that the checkout may lie in a folder with spaces.

# The interpreter to build .venv with. Empty: the first fitting one on the PATH.
PYTHON ?=
# How many processes run the tests.
WORKERS ?= 2
# How many kills `make soak` makes; WFSYNC_SOAK_SEED repeats a run.
CYCLES ?= 200
# How many histories of how many steps `make soak-model` tries for each layout.
EXAMPLES ?= 200
STEPS ?= 40
# How many faults `make soak-runtime` makes; WFSYNC_RUNTIME_SEED repeats a run.
FAULTS ?= 200
# Options for `make bench`.
BENCH ?=
export PYTHON

bin := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help install install-runtime demo test lint fmt soak soak-model soak-runtime bench bench-runtime docs lock clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

install:  ## .venv with the locked requirements of tests and linters, and wfsync itself (editable)
	@sh tools/install.sh dev

install-runtime:
	@sh tools/install.sh runtime

demo: install-runtime  ## plan, apply, empty plan, export, tests and a run of examples/repo on a real PostgreSQL
	@sh tools/demo.sh

test: install  ## every test, with branch coverage
	@$(bin)/python -m pytest -n $(WORKERS) --dist worksteal --cov --cov-report=term

lint: install  ## ruff, mypy --strict, the import contract
	@$(bin)/python -m ruff check .
	@$(bin)/python -m ruff format --check .
	@$(bin)/python -m mypy
	@$(bin)/lint-imports

fmt: install  ## format the code and mend what ruff can mend
	@$(bin)/python -m ruff check --fix-only .
	@$(bin)/python -m ruff format .

soak: install  ## kill -9 of `wfsync watch` at random points (CYCLES=200); nothing may be lost or half done
	@WFSYNC_SOAK_CYCLES=$(CYCLES) $(bin)/python -m pytest -n 0 -q -s tests/integration/daemon/test_soak.py

soak-model: install  ## random edits, applies, faults and rollbacks against a plain model (EXAMPLES=200 STEPS=40)
	@WFSYNC_MODEL_EXAMPLES=$(EXAMPLES) WFSYNC_MODEL_STEPS=$(STEPS) $(bin)/python -m pytest -n 0 -q -s tests/integration/test_model.py

soak-runtime: install  ## kill -9, pauses and cut connections of workers (FAULTS=200); each effect exactly once
	@WFSYNC_RUNTIME_FAULTS=$(FAULTS) $(bin)/python -m pytest -n 0 -q -s tests/integration/runtime/test_faults.py

bench: install  ## speed and memory beside the floor measured in the same run (BENCH="--help" for options)
	@$(bin)/python tests/bench $(BENCH)

bench-runtime: install  ## runs a second, memory beside waiting runs, event to resumed (BENCH="--help" for options)
	@$(bin)/python tests/bench/runtime.py $(BENCH)

docs: install  ## write docs/commands, docs/errors.md and docs/actions.md from what the program itself says
	@$(bin)/python tools/command_pages.py
	@$(bin)/python tools/error_page.py
	@$(bin)/python tools/action_page.py

lock:  ## resolve pyproject.toml into requirements/*.txt (needs uv; LOCK_UPGRADE=1 moves to the newest)
	@sh tools/lock.sh

clean:  ## stop the embedded servers, then remove everything that make and tests have made
	@sh tools/clean.sh
