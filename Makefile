# demo: the main job · test: all tests · check: format, lint, types, layers, links · bench: tables
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin

.PHONY: demo test fast check bench clean
.venv/ready: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	@echo "installing the pinned packages, some minutes the first time"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation \
	    --config-settings editable_mode=compat -e .
	touch $@

demo: .venv/ready   ## Novelty Search on HardMaze, 30 000 evaluations, into archives/demo
	rm -rf archives/demo
	$(BIN)/qdx run configs/hard_maze.yaml --out archives/demo

test: .venv/ready   ## everything, the slow tests too
	$(BIN)/python -m pytest -m "slow or not slow"

fast: .venv/ready   ## the inner loop, without the slow tests
	$(BIN)/python -m pytest

check: .venv/ready  ## no tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python docs/check_links.py

bench: .venv/ready  ## every speed claim as a ratio, side by side in one run
	$(BIN)/python -m benchmarks

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis
