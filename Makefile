# Everything that a developer types. `make` alone lists it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Where it is set, every process that a test starts compiles all of our source anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup demo check test torture lock clean

help:  ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

setup: $(STAMP)  ## make .venv from the lock file

$(STAMP): pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v < (3, 13) else "Beholder needs Python 3.11 or 3.12, this is %d.%d; call make PYTHON=python3.11" % v)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "$$(grep -o '^uv==[^ ]*' requirements.lock)"
	@echo 'installing 6.6 GB of packages, which takes 2 to 12 minutes'
	$(BIN)/uv pip install --python $(BIN)/python --compile-bytecode --requirement requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@

demo: setup  ## run the main job on drawn data, and serve the result
	@$(BIN)/beholder demo

check: setup  ## format, lint, types and import rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Of three at once, one waits for a server most of the time.
test: setup  ## all tests
	$(BIN)/python -m pytest --numprocesses=3

torture: setup  ## the long tests, which are no part of the others
	$(BIN)/python -m pytest -m torture

lock:  ## resolve requirements.lock anew
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --all-extras --no-annotate --no-emit-index-url --custom-compile-command 'make lock' pyproject.toml --output-file requirements.lock

clean:  ## remove the environment and the demo
	rm -rf $(VENV) demo demo.remote
