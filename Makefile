# Every target sets up what it needs, once: the environment lives in .venv/, and a stamp in it says
# what has been installed. Nothing but Python 3.11 or later is expected to be there already.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.NOTPARALLEL:

VENV := .venv
PYTHON_IN := $(VENV)/bin/python
PIP := $(PYTHON_IN) -m pip --disable-pip-version-check --quiet
PYTEST := $(PYTHON_IN) -X faulthandler -m pytest
DIGITS ?= 1000
MINUTES ?= 10

# A wheel passes on the packages in build/compiled/, and bench measures those: what is started with
# these paths, and what that starts, finds them first. COMPILED=0 leaves compiling out; COMPILED=1
# has the tests take them as well.
COMPILED_FIRST := PYTHONSAFEPATH=1 PYTHONPATH="$(CURDIR)/build/compiled:$(CURDIR)"
ifneq ($(COMPILED),0)
PASSED_ON := compiled
BENCH_IN := $(COMPILED_FIRST)
endif
ifeq ($(COMPILED),1)
TESTED := compiled
PYTEST := $(COMPILED_FIRST) $(PYTEST) --override-ini pythonpath=
endif

# `make test test-all` runs each test once: test-all then does only what test has left out.
QUICK := not system and not slow$(if $(TESTED), and not replaces)
ifneq ($(filter test,$(MAKECMDGOALS)),)
REST := -m "system or slow"
endif

.PHONY: help demo test system test-all check format bench soak chaos install wheel wheel-file docs clean

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# ---------------------------------------------------------------------------- to try it

demo: $(VENV)/.stamp-run native  ## from nothing to 1,000 digits of pi on a grid inside this machine
	@$(VENV)/bin/hxgrid example pi --digits $(DIGITS) --local

install: wheel-file  ## put `hxgrid` on the path of this user (~/.local/bin)
	@scripts/install-user dist/*.whl

# ---------------------------------------------------------------------------- tests

test: $(VENV)/.stamp-dev native $(TESTED)  ## all tests that need no system package; at most 5 minutes
	$(PYTEST) --numprocesses auto --dist loadfile -m "$(QUICK)"

test-all: $(VENV)/.stamp-dev native $(TESTED)  ## every test that what is installed allows; at most 45 minutes
	$(PYTEST) --rows $(REST)

system:  ## the system packages that further tests use, where they may be installed
	@scripts/install-system-packages tests/system-packages.txt

check: $(VENV)/.stamp-dev  ## formatting, lint, types, import rules
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports --no-logo

format: $(VENV)/.stamp-dev  ## put the code into its format, and mend what lint can mend
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

# ---------------------------------------------------------------------------- long runs

bench: $(VENV)/.stamp-dev native $(PASSED_ON)  ## all benchmarks, each against its baseline; writes benchmarks/results/
	$(BENCH_IN) $(PYTHON_IN) -m benchmarks

soak: $(VENV)/.stamp-dev native  ## one long job over real processes (MINUTES=10)
	$(PYTHON_IN) -m tests.programs.soak --minutes $(MINUTES)

chaos: $(VENV)/.stamp-dev native  ## real programs killed and stopped under a job (MINUTES=10)
	$(PYTHON_IN) -m tests.programs.chaos --minutes $(MINUTES)

# ---------------------------------------------------------------------------- to pass it on

wheel: $(PASSED_ON) wheel-file  ## the file for the other PCs, in dist/ (COMPILED=0: sooner, but a slower one)
	@scripts/say-next dist/*.whl

wheel-file: $(VENV)/.stamp-venv
	@rm -rf dist
	@$(PIP) wheel --no-deps --wheel-dir dist .

docs: $(VENV)/.stamp-docs  ## the documentation as a site, in site/
	$(VENV)/bin/sphinx-build --fail-on-warning --quiet docs site
	@echo "The site is in site/; open site/index.html"

clean:  ## remove everything that the targets above have made
	rm -rf $(VENV) build dist site .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

# ---------------------------------------------------------------------------- environment

$(VENV)/.stamp-venv:
	@scripts/make-venv $(VENV)
	@touch $@

$(VENV)/.stamp-run: $(VENV)/.stamp-venv pyproject.toml hatch_build.py
	@echo "Installing hxGrid into $(VENV)/ ..."
	@$(PIP) install --editable '.[examples]'
	@touch $@

# The task library, made again when a source of it has changed. Without a C compiler it says so.
.PHONY: native
native: $(VENV)/.stamp-venv
	@$(VENV)/bin/python native/build.py

# A copy of the packages in build/compiled/, made again when a source has changed.
.PHONY: compiled
compiled: $(VENV)/.stamp-dev native
	@$(VENV)/bin/python scripts/compile_modules.py build/compiled $(if $(TESTED),,--if-possible)

# The developer's set holds what running needs, so it stands for both.
$(VENV)/.stamp-dev: $(VENV)/.stamp-venv pyproject.toml hatch_build.py
	@echo "Installing hxGrid and its development tools into $(VENV)/ ..."
	@$(PIP) install --editable '.[dev]'
	@touch $(VENV)/.stamp-run $@

$(VENV)/.stamp-docs: $(VENV)/.stamp-venv pyproject.toml hatch_build.py
	@echo "Installing hxGrid and the documentation tools into $(VENV)/ ..."
	@$(PIP) install --editable '.[docs,examples]'
	@touch $(VENV)/.stamp-run $@
