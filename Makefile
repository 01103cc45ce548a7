# make demo: the whole pipeline on a world of icons. make test: lint, type-check, test.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Both stamps depend on the project file: a changed dependency is installed on the next call.
.PHONY: demo test lint clean

demo: $(VENV)/.installed
	$(BIN)/nsfwcaps demo --out runs/demo

test: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[all]'
	touch $@

$(VENV)/.installed-dev: pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@ $(VENV)/.installed

clean:
	rm -rf $(VENV) runs build dist
