# Every target first brings .venv up to date; nothing has to be installed or activated.

PYTHON ?= python3
SETUP := $(PYTHON) scripts/bootstrap.py
VENV := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help demo test lint docs bench dev clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-6s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## Run the demonstration; its results go to demo/
	@$(SETUP) demo
	$(VENV)/atlash demo --out demo

test: ## Run the static checks and the tests
	@$(SETUP) test
	scripts/test

lint: ## Run the static checks alone
	@$(SETUP) test
	scripts/lint

docs: ## Build the pages; open docs/_build/index.html
	@$(SETUP) docs
	$(VENV)/sphinx-build --fail-on-warning --quiet docs docs/_build

bench: ## Run a benchmark, for example: make bench NAME=annotation
	@$(SETUP) bench
	$(VENV)/python -m benchmarks $(NAME)

dev: ## Install everything that a contributor needs, and the commit hooks
	@$(SETUP) dev
	$(VENV)/pre-commit install

clean: ## Remove results and caches; .venv stays
	rm -rf demo docs/_build build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find src tests benchmarks scripts docs -name __pycache__ -type d -prune -exec rm -rf {} +
