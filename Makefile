# Everything a person types. `make demo` and `make test` need Python 3.11 and make, nothing else.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3.11
PORT ?= 8080
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet
# The lock is its own constraint too: pip 23 would else look past its pin of coverage for coverage[toml].
LOCKED = $(PIP) --require-hashes -r $(1) -c $(1)

.PHONY: help demo up test check coverage bench lock docs conformance picture clean env dev

help: ## Show this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

demo: env ## Run an example job for three days through Airflow, and show what it left
	@$(BIN)/trawl demo

up: env ## Airflow's web interface with every job, on 127.0.0.1:$(PORT)
	@exec $(BIN)/trawl up --port $(PORT)

test: dev ## Run every test
	@scripts/debian.sh
	@scripts/bluesky.sh >/dev/null
	@$(BIN)/python -m pytest -n 3 --dist loadgroup

check: dev ## Style, types, lock and job files
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/python scripts/lock.py --check
	@$(BIN)/trawl check

coverage: dev ## Run every test and say which branches none of them takes
	@scripts/debian.sh
	@scripts/bluesky.sh >/dev/null
	@$(BIN)/python -m pytest -n 3 --dist loadgroup --cov --cov-report=term

bench: dev ## Measure beside the peers
	@$(BIN)/python -m benchmarks

lock: dev ## Make requirements*.txt anew from pyproject.toml
	@$(BIN)/python scripts/lock.py

docs: dev ## Make the generated pages and pictures anew
	@$(BIN)/python scripts/docs.py

conformance: dev ## Hold every source to the promises and write the table into ARCHITECTURE.md
	@$(BIN)/python -m scripts.conformance

picture: dev ## Take the pictures of README and docs anew, in a real browser
	@scripts/debian.sh
	@$(BIN)/python -m scripts.picture
	@$(BIN)/python -m scripts.pictures

clean: ## Remove what the other targets made, the environment included
	rm -rf $(VENV) .airflow bucket .pytest_cache .mypy_cache .ruff_cache .hypothesis htmlcov .coverage*

env: $(VENV)/.env ## Set up what running needs
dev: $(VENV)/.dev ## Set up what testing needs

$(VENV)/bin/python:
	@command -v $(PYTHON) >/dev/null || { \
	  echo "There is no $(PYTHON) here. Trawl needs Python 3.11: make demo PYTHON=/path/to/python3.11" >&2; exit 1; }
	@echo "Setting up Python in $(VENV) …"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.env: requirements.txt pyproject.toml | $(VENV)/bin/python
	@echo "Installing requirements.txt (a minute or two, once) …"
	@$(call LOCKED,requirements.txt)
	@$(PIP) --no-deps -e .
	@touch $@

$(VENV)/.dev: requirements-dev.txt $(VENV)/.env
	@echo "Installing requirements-dev.txt (a minute or two, once) …"
	@$(call LOCKED,requirements-dev.txt)
	@touch $@
