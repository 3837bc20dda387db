# `make demo` and `make test` set up what they need in .venv; Python 3.11 or later and a C++ compiler have to be there.

VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 2
ARGS ?=
# The version that constraints.txt was made with comes first; PYTHON=… takes another.
PYTHON ?= $(firstword $(foreach name,python3.11 python3.12 python3.13 python3.14 python3 python,\
	$(shell $(name) -c 'import sys; sys.version_info >= (3, 11) and print("$(name)")' 2>/dev/null)))
# Builds in isolation (fasttext, kenlm) get the pinned versions too: old pips read the first variable, new ones the second.
PIP := PIP_CONSTRAINT=constraints.txt PIP_BUILD_CONSTRAINT=constraints.txt PIP_DISABLE_PIP_VERSION_CHECK=1 \
	$(BIN)/python -m pip install --quiet --no-compile --editable

# Where this is set, each of the many processes of a run compiles all modules anew, which takes it seconds.
unexport PYTHONDONTWRITEBYTECODE

.NOTPARALLEL:
.PHONY: help demo test lint types format bench planted clean distclean

help:
	@echo "make demo     a corpus, a mix and a toy model from recipes/quickstart.yaml (minutes)"
	@echo "make test     all tests; ARGS='-k dedup' picks some"
	@echo "make lint     ruff, and ruff format --check; 'make format' mends what can be mended"
	@echo "make types    mypy in strict mode"
	@echo "make bench    the figures in docs/log.md, against the peers"
	@echo "make planted  write recipes/planted anew"
	@echo "make clean    remove caches and build output; 'make distclean' also .venv, store and runs"

demo: $(VENV)/.demo
	$(BIN)/gristmill run recipes/quickstart.yaml

# Kernels run once more as plain Python, where an index out of bounds is an error. The long run comes last, so that its
# closing line is the last one.
test: $(VENV)/.dev
	NUMBA_DISABLE_JIT=1 $(BIN)/python -m pytest -q -n $(WORKERS) tests/stages/kernels $(ARGS)
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile $(ARGS)

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(VENV)/.dev
	$(BIN)/mypy

bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks.spine $(ARGS)

planted: $(VENV)/.dev
	$(BIN)/python -m benchmarks.planted.make

$(VENV)/.demo: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) '.[train]'
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) '.[dev]'
	@touch $(VENV)/.demo $@

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "No Python 3.11 or later was found: install one, or say PYTHON=/path/to/python"; exit 1; }
	@command -v $${CXX:-c++} >/dev/null || command -v g++ >/dev/null || \
		{ echo "No C++ compiler was found, and fasttext is built from source: install g++ or clang"; exit 1; }
	@echo "Setting up $(VENV) with $$($(PYTHON) --version); the first time this takes some minutes"
	@$(PYTHON) -m venv $(VENV) || \
		{ rm -rf $(VENV); echo "Python's venv module is not complete: install python3-venv (Debian and Ubuntu)"; exit 1; }

clean:
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -path ./$(VENV) -prune -o -name __pycache__ -type d -exec rm -rf {} +

distclean: clean
	rm -rf $(VENV) store runs
