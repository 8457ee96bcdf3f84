# One command each. `make` alone lists them.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
AUDIT := $(VENV)/audit
MUTATION := $(VENV)/mutation
BIN := $(VENV)/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
BENCH ?= *
BENCH_PARTS := $(addprefix bench/,simulate/production.py simulate/slopes.py train/domain.py)
MODULE ?=

SHELL := bash
.SHELLFLAGS := -o pipefail -c

define INSTALL
	@case "$(CURDIR)" in *[[:space:]]*) \
		echo "$(CURDIR) has a space in it, and Snakemake cannot start jobs from such a path: clone to one without" >&2; exit 1;; \
	esac
	@test ! -e $(VENV)/pyvenv.cfg || $(PYTHON) workflow/same_python.py $(VENV)
	@echo "Installing into $(VENV): Snakemake, PyTorch, numba and all else. About 2 GB, one to two minutes."
	$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --disable-pip-version-check --progress-bar off --constraint constraints.txt \
		--editable ".[$(EXTRAS)]" | $(BIN)/python workflow/installing.py
endef

.PHONY: help install dev demo screen-demo test test-browser test-slurm test-faults mutants audit lint format bench validation clean

help: ## what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

install: $(VENV)/installed ## the virtual environment, with exact versions: what users need

$(VENV)/installed: EXTRAS := onnx,cluster,screen
$(VENV)/installed: pyproject.toml constraints.txt
	$(INSTALL)
	@touch $@

dev: $(VENV)/installed-dev ## the same with what tests, linters and benchmarks need

$(VENV)/installed-dev: EXTRAS := dev
$(VENV)/installed-dev: pyproject.toml constraints.txt
	$(INSTALL)
	@touch $(VENV)/installed $@

demo: install ## the whole pipeline on phantoms, a few minutes; prints where the report is
	snakemake --configfile config/demo.yaml --cores all
	@echo "The report: $(CURDIR)/results/demo/report.html"

screen-demo: install ## a simulated beam time: beamline, screening and live page on the demo's data, scored at the end
	@test -e results/demo/models/noise_free/polar/seed0/model.pt || { echo "there is no demo yet; it is made first" && $(MAKE) demo; }
	python -m screen.beamline.demo results/demo

test: dev ## the test suite, files shared by at most four processes
	pytest -m "not browser and not slurm and not faults" --numprocesses logical --maxprocesses 4 \
		--dist loadfile --no-loadscope-reorder

test-browser: dev ## the report page in headless Chromium
	pytest -m browser

test-slurm: dev ## the workflow on a SLURM of one node, started for it; root, a quarter of an hour
	pytest -m slurm

test-faults: dev ## real runs that are killed, damaged and starved: see docs/reliability.md
	pytest -m faults

mutants: dev $(MUTATION)/bin/mutmut ## changes modules and counts what tests notice, hours; MODULE=evaluate/metrics/accuracy.py takes one
	$(MUTATION)/bin/python tests/support/programs/mutants.py --mutmut $(CURDIR)/$(MUTATION)/bin/mutmut $(MODULE)

# Its own packages are kept out of the exact versions; those of the project are found behind them.
$(MUTATION)/bin/mutmut: $(VENV)/installed-dev
	$(BIN)/python -m venv $(MUTATION)
	$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > \
		"$$($(MUTATION)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/project.pth"
	$(MUTATION)/bin/pip install --disable-pip-version-check --quiet mutmut==3.8.1

lint: dev ## formats, lints and types
	ruff check
	ruff format --check
	mypy
	snakefmt --check Snakefile workflow/rules
	snakemake --lint --configfile config/demo.yaml

format: dev ## rewrite all code in its format
	ruff check --fix
	ruff format
	snakefmt Snakefile workflow/rules

bench: dev ## benchmarks, one JSON line each; BENCH=render_1 runs one
	@for file in $(filter-out $(BENCH_PARTS),$(wildcard bench/*/$(BENCH).py)); do \
		python -m $$(echo $${file%.py} | tr / .) || exit 1; \
	done

validation: install ## every check of the simulation at full size, minutes; makes docs/validation.md
	snakemake validation --cores 2 --forcerun validation --quiet rules

audit: $(AUDIT)/bin/pip-audit ## known vulnerabilities of the exact versions; fails where one could not be looked up
	$(AUDIT)/bin/pip-audit --strict --no-deps --disable-pip --requirement constraints.txt

$(AUDIT)/bin/pip-audit:
	$(PYTHON) -m venv $(AUDIT)
	$(AUDIT)/bin/pip install --disable-pip-version-check --quiet pip-audit==2.10.1

clean: ## results and caches; not the environment, not downloads
	rm -rf results .snakemake .pytest_cache .mypy_cache .ruff_cache
