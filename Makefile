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

run: $(READY) ## run the whole project offline on the idealized ocean
	@$(BIN)/kedro run

ecco: $(READY) ## run the published study on ECCO v4 (needs the network, or THOR_DATA_MIRROR)
	@$(BIN)/kedro run --env ecco

test: $(READY) ## run all tests
	@$(BIN)/python -m pytest

lint: $(READY) ## check style, types and import contracts (ruff, mypy, import-linter)
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports

format: $(READY) ## format the code with ruff and strip notebooks
	@$(BIN)/ruff check --fix . && $(BIN)/ruff format . && $(BIN)/python notebooks/strip.py

bench: $(READY) ## compare THOR with alternatives and update docs/benchmarks.md; QUICK=1: smaller, prints only
	@$(BIN)/python benchmarks/run.py $(if $(QUICK),--quick,--page docs/benchmarks.md)

docs: $(READY) ## build the documentation in docs/_build/html
	@$(BIN)/python -m sphinx -q -W -b html docs docs/_build/html
	@echo "Open docs/_build/html/index.html"

viz: $(READY) ## show the pipelines in the browser
	@BROWSER='env -u BROWSER $(BIN)/python -m webbrowser %s?types=nodes&expandAllPipelines=false' $(BIN)/kedro viz run

package: $(READY) ## build the wheel and the archive of the configuration in dist
	@rm -rf build # files of an earlier build would be packed too
	@$(BIN)/kedro package
	@rm -rf build

lock: ## update requirements.lock (needs uv)
	uv pip compile pyproject.toml --extra dev --generate-hashes --no-annotate --no-header --no-emit-index-url \
		--no-emit-find-links --python-version 3.11 -o requirements.lock

clean: ## remove outputs of runs and builds; downloads and your files stay
	@if [ -x $(BIN)/python ]; then $(BIN)/python -m thor clean; else echo "No $(VENV): the data stay as they are"; fi
	rm -rf docs/_build build dist .pytest_cache .ruff_cache .mypy_cache .import_linter_cache

$(READY): requirements.lock pyproject.toml
	@echo "Installing the pinned dependencies into $(VENV) (about a minute)"
	@$(PYTHON) -m venv --clear $(VENV)
	@# the lock is complete; Python compiles what is imported, a small part of it, at the first import
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --no-compile \
		-r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $@
