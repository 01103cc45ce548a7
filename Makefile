# make demo: the whole pipeline on a world of icons. make test: lint, type-check, test.
# make docs: the site, into build/docs; long sentences, broken links and other faults fail.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# All stamps depend on the project file: a changed dependency is installed on the next call.
.PHONY: demo test docs lint clean

demo: $(VENV)/.installed
	$(BIN)/nsfwcaps demo --out runs/demo
	@echo "The command is $(BIN)/nsfwcaps. 'source $(BIN)/activate' makes it plain nsfwcaps."

test: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	# Files stay whole, as they share fixtures; tests/conftest.py has the long ones first.
	$(BIN)/pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

docs: $(VENV)/.installed-docs
	$(BIN)/python -m tools.docs.prose README.md docs
	$(BIN)/python -m tools.docs.links README.md CONTRIBUTING.md benchmarks docs
	$(BIN)/sphinx-build --fail-on-warning --fresh-env -b html docs build/docs

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

$(VENV)/.installed-docs: pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[docs]'
	touch $@

clean:
	rm -rf $(VENV) runs build dist docs/_generated
