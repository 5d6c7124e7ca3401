# `make demo` and `make test` set up what they need; nothing else has to be installed but Python 3.11 or later.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo test check build clean

$(VENV)/ready: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	touch $@

$(VENV)/ready-dev: $(VENV)/ready
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev,duckdb,postgres,preview,spark,train]'
	touch $@

demo: $(VENV)/ready
	rm -rf demo-out
	$(BIN)/deid run sample_notes/notes.jsonl --policy safe-harbor --out demo-out
	$(BIN)/deid report demo-out --with-samples --source sample_notes/notes.jsonl

test: $(VENV)/ready-dev
	$(BIN)/pytest -n 2

check: $(VENV)/ready-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

build: $(VENV)/ready-dev
	$(BIN)/python -m build

clean:
	rm -rf $(VENV) demo-out dist build
