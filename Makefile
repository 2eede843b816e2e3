# Everything runs in a virtual environment of its own, made on first use. PYTHON chooses the interpreter (3.11 or newer).
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help serve test check bench proto conformance soak clients system clean

help: ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed"; exit 1; }
	@$(PYTHON) -m venv $(VENV) 2>/dev/null || { echo "python3 -m venv does not work; on Debian: apt-get install python3-venv"; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

serve: $(STAMP) ## the registry on 127.0.0.1:5000, data below ./data; CONFIG=file.json for a configuration
	@exec $(BIN)/holdfast serve $(CONFIG)

check: $(STAMP) ## formatting, lint, types, imports, generated code, and the fast tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python proto/generate.py --check
	$(BIN)/python -m pytest -q tests/house tests/unit tests/contract

test: $(STAMP) system ## every test; installs the client programs that they drive, when it may
	$(BIN)/python -m pytest -q -m 'not soak' tests/house tests/unit tests/contract
	$(BIN)/python -m pytest -q -m 'not soak' tests/http tests/conformance tests/crash tests/clients

system: # client programs for the tests, from Debian and by the Go toolchain
	@$(PYTHON) tests/clients/install.py

soak: $(STAMP) system ## the long forms of the fault and load tests
	$(BIN)/python -m pytest -q -m soak tests

conformance: $(STAMP) ## the official conformance program, where the Go toolchain can fetch it
	$(BIN)/python -m pytest -q -rA tests/conformance

bench: $(STAMP) ## side by side with docker-registry and distribution 3, ratios
	$(BIN)/python tests/bench/side_by_side.py $(BENCH)

proto: $(STAMP) ## regenerate the wire modules
	$(BIN)/python proto/generate.py

clean: ## caches and the virtual environment
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build *.egg-info
