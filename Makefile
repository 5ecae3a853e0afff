# The commands of a newcomer; `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CORES ?= $(shell nproc)
SNAKEMAKE := PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/snakemake
# One line shows how far a run is; VERBOSE=1 shows all that Snakemake says.
RUN = REMODAL_COMMAND="make $@" $(SNAKEMAKE) --cores $(CORES) $(if $(VERBOSE),--verbose)

# The study of `make demo STUDY=...`; without it the one of config/config.yaml.
STUDY ?= $(shell sed -n 's/^study: *//p' config/config.yaml)

.PHONY: help environment develop demo-first demo demo-real test test-faults test-fuzz lint bench bench-gpu clean

help:  ## list these commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

# Each file names all that its packages need, so pip has nothing to add.
PIP = $(BIN)/python -m pip install --quiet --no-deps
QUIETLY = >> $(VENV)/install.log 2>&1 \
  || { tail -n 20 $(VENV)/install.log; echo "pip failed; all it said: $(VENV)/install.log"; exit 1; }

environment: $(VENV)/ready  ## create the environment of a user

develop: $(VENV)/develop  ## the same with what tests and benchmarks need

$(VENV)/ready: envs/requirements.txt pyproject.toml
	@echo "Creates the environment in $(VENV): some three minutes. What pip says: $(VENV)/install.log"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) --requirement envs/requirements.txt $(QUIETLY)
	@$(PIP) --no-build-isolation --editable . $(QUIETLY)
	@touch $@

$(VENV)/develop: $(VENV)/ready envs/develop.txt
	@echo "Adds what tests and benchmarks need: half a minute."
	@$(PIP) --requirement envs/develop.txt $(QUIETLY)
	@touch $@

# For installers that also install what a package declares, and therefore all of ITK. Snakemake copies
# the file elsewhere, so it must not refer to another file.
envs/remodal.yaml: envs/requirements.txt envs/itk.txt
	{ echo "# For \`snakemake --sdm conda\`. Made of requirements.txt and itk.txt: \`make envs/remodal.yaml\`."; \
	  echo "channels: [conda-forge, nodefaults]"; \
	  echo "dependencies:"; echo "  - python=3.11"; echo "  - pip"; echo "  - pip:"; \
	  sed 's/^/      - /' $^; } > $@

define demo
@$(RUN) --config study=$(1) preset=demo \
  $$($(BIN)/remodal first --config '{study: $(1), preset: demo}')
@echo "Report: $(CURDIR)/results/studies/$(1)-demo/report/index.html"
@$(BIN)/remodal compare results/studies/$(1)-demo docs/results/$(1)-demo
endef

demo-first:
	@echo "Simulated patients, from their scans to the report: some ten minutes on two cores."

demo: demo-first environment  ## simulated patients to report, at most 12 minutes on two cores
	$(call demo,$(STUDY))

demo-real: demo-first environment  ## the same on simulated lesions in a real CT (fetched from a package)
	$(call demo,$(STUDY)_real_ct)

# UTF-8, whatever the shell's locale is and whatever a library under test does to it.
test: develop  ## all tests, half an hour on two cores
	PYTHONUTF8=1 PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest --numprocesses 2 --dist loadgroup

test-faults: develop  ## kill something at random, continue, compare: 20 rounds
	PYTHONUTF8=1 PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest -m faults --capture=no tests/faults

test-fuzz: develop  ## 10,000 damaged files: each converted, or refused with a reason
	PYTHONUTF8=1 PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest -m fuzz --capture=no tests/fuzz

lint: develop  ## formatting and static checks
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow
	$(SNAKEMAKE) --lint

bench: develop  ## our code beside its peers; writes docs/benchmarks.md
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python benchmarks/run.py

bench-gpu:  ## step time, data, memory, inference and resume on one GPU, in some eight minutes
	PYTHONPATH=src $(if $(wildcard $(BIN)/python),$(BIN)/python,$(PYTHON)) benchmarks/gpu.py

clean:  ## remove everything that was made, except the environment
	rm -rf results .snakemake
