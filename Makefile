# Corral. `make` lists what there is; everything but `help` and `clean` first sees to .venv.

SHELL       := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS   += --no-print-directory

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
TESTS  ?= tests
BENCHMARKS ?= overhead guards policy broker isolation documents memory_and_log moderation

.PHONY: help demo test lint type bench docs live soak fmt clean

help: ## List what there is.
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-6s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(READY) ## Hold five guarded turns with a real model, then chat (on a terminal).
	@$(BIN)/corral demo

test: $(READY) ## Run the tests, on up to four cores.
	@$(BIN)/python -m pytest -q -n auto --maxprocesses 4 --dist loadfile $(TESTS)

lint: $(READY) ## Check style and formatting.
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

fmt: $(READY) ## Format the code and sort its imports.
	@$(BIN)/ruff check --fix --select I .
	@$(BIN)/ruff format .

type: $(READY) ## Check types.
	@$(BIN)/mypy

docs: $(READY) ## Run the code in the documentation and check its links.
	@$(BIN)/python -m pytest -q tests/docs

bench: $(READY) ## Measure what guarding costs (against a scripted upstream on loopback).
	@for each in $(BENCHMARKS); do echo "== $$each"; $(BIN)/python -m benchmarks.$$each; done

live: $(READY) ## Build a real vLLM server and run the live suite against it.
	@$(BIN)/python -m tests.live

soak: $(READY) ## Simulate a million turns with faults.
	@$(BIN)/python -m tests.simulation --turns 1000000

clean: ## Remove the virtual environments and every cache of the tools.
	rm -rf .venv .venv-vllm .venv-peer .venv-semgrep .mypy_cache .ruff_cache .hypothesis .import_linter_cache build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamp is written last, so that an interrupted set-up is taken up again.
$(READY): constraints/dev.txt constraints/agentdojo.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "Corral needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) --version 2>/dev/null || echo missing)." >&2; \
	  echo "Install one, or name it: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@command -v c++ >/dev/null || command -v g++ >/dev/null || command -v clang++ >/dev/null || { \
	  echo "The embedded engine is compiled here and needs a C++ compiler." >&2; \
	  echo "Install one (Debian: apt install build-essential; macOS: xcode-select --install)." >&2; exit 1; }
	@echo "Setting up $(VENV): the first time takes 4 to 8 minutes, most of it to compile the"
	@echo "embedded engine (llama-cpp-python); pip says little while it compiles. Later runs skip this."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --disable-pip-version-check --require-hashes -r constraints/dev.txt
	@$(BIN)/python -m pip install --disable-pip-version-check --require-hashes --no-deps -r constraints/agentdojo.txt
	@$(BIN)/python -m pip install --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@
	@echo "$(VENV) is ready."
