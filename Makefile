# One command each. `make` alone lists them.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
BENCH ?= *

.PHONY: help install demo test test-slow test-browser lint format bench validation clean

help: ## what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

install: $(VENV)/installed ## the virtual environment, with exact versions

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --disable-pip-version-check --quiet --constraint constraints.txt --editable ".[dev]"
	touch $@

demo: install ## the whole pipeline on phantoms, a few minutes; prints where the report is
	snakemake --configfile config/demo.yaml --cores all --quiet rules
	@echo "The report: $(CURDIR)/results/demo/report.html"

test: install ## the test suite
	pytest -m "not slow and not browser"

test-slow: install ## tests that take minutes
	pytest -m slow

test-browser: install ## the report page in headless Chromium
	pytest -m browser

lint: install ## formats, lints and types
	ruff check
	ruff format --check
	mypy
	snakefmt --check Snakefile workflow/rules
	snakemake --lint --configfile config/demo.yaml

format: install ## rewrite all code in its format
	ruff check --fix
	ruff format
	snakefmt Snakefile workflow/rules

bench: install ## benchmarks, one JSON line each; BENCH=render_1 runs one
	@for file in bench/$(BENCH).py; do case $$file in bench/setting.py|bench/production.py) continue;; esac; python $$file || exit 1; done

validation: install ## every check of the simulation at full size, minutes; makes docs/validation.md
	snakemake validation --cores 2 --forcerun validation --quiet rules

clean: ## results and caches; not the environment, not downloads
	rm -rf results .snakemake .pytest_cache .mypy_cache .ruff_cache
