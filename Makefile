# THOR: bare `make` lists the targets.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

export DO_NOT_TRACK := true
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help run ecco test lint format bench docs viz package lock clean

help: ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

run: $(READY) ## run the whole project on the idealized ocean, offline
	@$(BIN)/kedro run

ecco: $(READY) ## run the published study on ECCO v4 (needs the network, or THOR_DATA_MIRROR)
	@$(BIN)/kedro run --env ecco

test: $(READY) ## pass all tests
	@$(BIN)/python -m pytest

lint: $(READY) ## ruff, mypy, import contracts
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports

format: $(READY) ## let ruff write the code's format, strip notebooks
	@$(BIN)/ruff check --fix . && $(BIN)/ruff format . && $(BIN)/python notebooks/strip.py

bench: $(READY) ## measure THOR beside its alternatives and renew docs/benchmarks.md; QUICK=1 takes a look only
	@$(BIN)/python benchmarks/run.py $(if $(QUICK),--quick,--page docs/benchmarks.md)

docs: $(READY) ## build the documentation in docs/_build/html
	@$(BIN)/python -m sphinx -q -W -b html docs docs/_build/html
	@echo "Open docs/_build/html/index.html"

viz: $(READY) ## look at the pipelines in the browser
	@$(BIN)/kedro viz run

package: $(READY) ## build the wheel and the configuration's archive in dist
	@rm -rf build # what an earlier build left there would be packed too
	@$(BIN)/kedro package
	@rm -rf build

lock: ## renew requirements.lock (needs uv)
	uv pip compile pyproject.toml --extra dev --generate-hashes --no-annotate --no-header --no-emit-index-url \
		--no-emit-find-links --python-version 3.11 -o requirements.lock

clean: ## remove what runs and builds made; downloads and what you put there stay
	@if [ -x $(BIN)/python ]; then $(BIN)/python -m thor clean; else echo "No $(VENV): the data stay as they are"; fi
	rm -rf docs/_build build dist .pytest_cache .ruff_cache .mypy_cache .import_linter_cache

$(READY): requirements.lock pyproject.toml
	@echo "Installing the pinned dependencies into $(VENV) (about a minute)"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $@
