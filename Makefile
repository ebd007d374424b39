# `make demo` first, then `make test`; `make help` lists the rest.

.DEFAULT_GOAL := help
.PHONY: help demo test run lint format lock schema bench soak differential fuzz

PYTHON ?= python3
VENV := .venv
IN_VENV := $(VENV)/bin/python
PIP_INSTALL := $(IN_VENV) -m pip install -qq --disable-pip-version-check --require-hashes

help:  ## list these targets
	@awk -F ':.*##' '/^[a-z]+:.*##/ {printf "make %-12s %s\n", $$1, $$2}' Makefile

demo: $(VENV)/.full  ## send four requests through the gateway and stay up (PORT=4000, ONCE=1 to end by itself)
	@$(IN_VENV) -m examples.demo

test: lint  ## lint, types and tests (ARGS="-k name" for some of them)
	$(IN_VENV) -m pytest -n auto --maxprocesses 4 --dist loadfile $(ARGS)

run: $(VENV)/.full  ## serve config/config.yaml (CONFIG_FILE_PATH, PORT, WEB_CONCURRENCY)
	@$(IN_VENV) -m app serve

lint: $(VENV)/.dev  ## ruff and mypy
	$(IN_VENV) -m ruff check .
	$(IN_VENV) -m ruff format --check .
	$(IN_VENV) -m mypy

format: $(VENV)/.dev  ## let ruff rewrite the layout and the imports
	$(IN_VENV) -m ruff check --fix .
	$(IN_VENV) -m ruff format .

schema: $(VENV)/.full  ## write config/schema.json, for editors
	$(IN_VENV) -m app schema > $(VENV)/schema.json
	mv $(VENV)/schema.json config/schema.json

bench: $(VENV)/.dev  ## measure what is promised, beside peers; writes docs/performance.md (ARGS="--only small")
	$(IN_VENV) -m bench $(ARGS)

soak: $(VENV)/.dev  ## faults at length, with their figures, some fifteen minutes (ARGS="G4 G30 --scale 10")
	$(IN_VENV) -m tests.faults.soak $(ARGS)

differential: $(VENV)/.dev  ## mutated requests to this gateway, nginx and HAProxy (ARGS="--count 100000")
	$(IN_VENV) -m tests.faults.differential $(ARGS)

fuzz: $(VENV)/.dev  ## the pure parsers under atheris, five minutes and more (pip install atheris first; ARGS="head")
	$(IN_VENV) -m tests.faults.fuzz $(ARGS)

# The locks hold one resolution: the full set first, the other two constrained by it.
COMPILE := $(IN_VENV) -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--custom-compile-command "make lock" $(if $(UPGRADE),--upgrade)

lock: $(VENV)/.dev  ## write the requirements*.txt from the .in files (UPGRADE=1 takes newer indirect packages)
	$(COMPILE) requirements.in -o requirements.txt
	$(COMPILE) requirements-core.in -c requirements.txt -o requirements-core.txt
	$(COMPILE) requirements-dev.in -o requirements-dev.txt

# The environment. A stamp newer than its lock means there is nothing to install.
$(VENV)/.full: requirements.txt | $(VENV)/bin/pip
	@echo "Installing the gateway's packages into $(VENV) (some 45 s, once) ..."
	@$(PIP_INSTALL) -r requirements.txt
	@touch $@

$(VENV)/.dev: requirements-dev.txt requirements.txt | $(VENV)/bin/pip
	@echo "Installing the packages for tests into $(VENV) (some 45 s, once) ..."
	@$(PIP_INSTALL) -r requirements-dev.txt
	@touch $(VENV)/.full $@

# Waits for pip, not for the interpreter: a venv that failed half-way has only the latter.
$(VENV)/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit("Tollhouse needs Python 3.11 or newer, this is " + sys.version.split()[0] \
		+ ". Try: make $(MAKECMDGOALS) PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
	@$(PYTHON) -m venv $(VENV)
