# Every chore is one command, the same for people and CI. Needs Python 3.10 or newer and make, nothing else.
# `make PYTHON=/path/to/python3` names another interpreter.
PYTHON ?= python3
FOUND_PATH := $(PATH)
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
.DEFAULT_GOAL := help
.PHONY: help env demo lab test bench chaos lint format build clean

help: ## Show the commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

env: ## Make or refresh .venv (the other commands do it by themselves)
	@PATH="$(FOUND_PATH)" $(PYTHON) tests/tools/make_env.py $(if $(filter file,$(origin PYTHON)),,--this-python)

demo: env ## Run the Montreal cycling notebook and flow, watch them in the terminal
	@$(BIN)/python binder/demo.py

lab: env ## Open JupyterLab on the examples, with the panel
	@cd binder && $(CURDIR)/$(BIN)/jupyter lab montreal-cycling.ipynb

test: env ## Lint, types, all tests (LANES="core store" picks some)
	@$(BIN)/python tests/tools/run_tests.py $(LANES)

bench: env ## Measure: task overhead, notebook runs, the panel in a browser
	@$(BIN)/python tests/benchmarks/run.py

chaos: env ## Kill things at random, 1,000 times and then 100 times with real kernels, and count what was lost
	@$(BIN)/python tests/tools/kill_rig.py --kills 1000
	@$(BIN)/python tests/benchmarks/chaos.py --kills 100
	@$(BIN)/python tests/benchmarks/chaos.py --kills 40 --postgres
	@$(BIN)/python tests/benchmarks/network.py

lint: env ## Lint and type checks only
	@$(BIN)/python tests/tools/run_tests.py lint types

format: env ## Let ruff rewrite the Python files
	@$(BIN)/ruff check --fix . && $(BIN)/ruff format .

build: env ## Build the wheel and the source archive into dist/
	@$(BIN)/python -m build --outdir dist .

clean: ## Remove what the other commands made
	@rm -rf .venv .types .cache build dist *.egg-info server/static labextension/dist labextension/lib \
	  labextension/node_modules .pytest_cache .mypy_cache .ruff_cache tests/browser/output
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
