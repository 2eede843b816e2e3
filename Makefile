# Everything runs in a virtual environment of its own, made on first use. PYTHON chooses the interpreter (3.11 or newer).
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
RUN := $(VENV)/.for-serving
DEV := $(VENV)/.for-testing
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --editable

FAST_FIRST := tests/house tests/unit tests/contract tests/cluster tests/gc tests/scrub tests/space tests/objects tests/moving tests/sync tests/ops tests/probe tests/access tests/http tests/conformance tests/crash tests/clients tests/compose

.DEFAULT_GOAL := help
# Compose as a part of docker, or the program that came before it.
COMPOSE ?= $(shell docker compose version >/dev/null 2>&1 && echo docker compose || echo docker-compose)
.PHONY: help serve test check lint bench proto conformance soak system clean up down demo

help: ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

$(BIN)/python:
	@sh .ci/venv.sh $(PYTHON) $(VENV)

$(RUN): $(BIN)/python pyproject.toml
	$(PIP) .
	@touch $@

$(DEV): $(BIN)/python pyproject.toml
	$(PIP) '.[dev]'
	@touch $(RUN) $@

serve: $(RUN) ## the registry on 127.0.0.1:5000, data below ./data; CONFIG=file.json for a configuration
	@exec $(BIN)/holdfast serve $(CONFIG)

up: ## a cluster of containers on 127.0.0.1:5000; compose/env.sample tells what can be changed
	$(COMPOSE) --file compose/compose.yaml build
	$(COMPOSE) --file compose/compose.yaml up --detach
	@$(PYTHON) compose/demo.py wait --compose '$(COMPOSE)'

down: ## stops it; its data stays in volumes, and the next `make up` goes on with them
	$(COMPOSE) --file compose/compose.yaml --profile fifth-node down

demo: up ## push, kill a node, pull, add a node, drain another, told step by step
	@$(PYTHON) compose/demo.py show --compose '$(COMPOSE)'

check: lint ## what lint does, and the fast tests
	$(BIN)/python -m pytest -q -m 'not soak' tests/house tests/unit tests/contract

lint: $(DEV) ## formatting, lint, types, imports, generated code
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python proto/generate.py --check

test: $(DEV) system ## every test; installs the client programs that they drive, when it may
	@.ci/tests $(BIN)/python $(FAST_FIRST)

system: # client programs for the tests, from Debian and by the Go toolchain
	@$(PYTHON) tests/clients/install.py

soak: $(DEV) system ## the long forms of the fault and load tests
	$(BIN)/python -m pytest -q -s -m soak tests

conformance: $(DEV) ## the cases of the OCI conformance suites, and the official programs where Go can fetch them
	$(BIN)/python -m pytest -q -rA tests/conformance

bench: $(DEV) ## side by side with docker-registry and distribution 3, ratios; BENCH=--help tells more
	$(BIN)/python tests/bench/side_by_side.py $(BENCH)

proto: $(DEV) ## regenerate the wire modules
	$(BIN)/python proto/generate.py

clean: ## caches and the virtual environment
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build *.egg-info
