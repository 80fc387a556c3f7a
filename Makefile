# Everything on a fresh machine: `make run` and `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

PAPERS := KH24 LL20 JT20 JT19 VSS22 KH24b

TERMINALS := $(addprefix tests/e2e/test_,tmux.py ssh.py terminals.py screen_signals.py)

.PHONY: run test test-full claims check format docs bench clean

run: $(INSTALLED)  ## install, then watch the first preset learn
	$(BIN)/workbench run

# The marker is newer than what it was installed from.
$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt "torch==2.13.0"
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $@

check: $(INSTALLED)  ## style, types, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

# What happens on terminals is run alone, after the rest: its keys and screens wait for each other.
test: check  ## the whole normal suite, under 15 minutes on two cores
	$(BIN)/pytest -m "not full" -n 2 --dist loadfile $(TERMINALS:%=--ignore=%)
	$(BIN)/pytest -m "not full" $(TERMINALS)

test-full: check  ## with the slow, honest checks
	$(BIN)/pytest -n 2 --dist worksteal $(TERMINALS:%=--ignore=%)
	$(BIN)/pytest $(TERMINALS)

claims: $(PAPERS:%=claims-%)  ## every claim at the papers' size; make -j2 -O claims takes two cores

claims-%: $(INSTALLED)
	OMP_NUM_THREADS=1 $(BIN)/workbench claims $* --full

format: $(INSTALLED)  ## style mended
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(INSTALLED)  ## tables of docs/files.md and docs/keys.md, screenshots from a real run
	$(BIN)/python docs/make_file_tables.py
	$(BIN)/python docs/make_key_table.py
	$(BIN)/python docs/make_screens.py

bench: $(INSTALLED)  ## what stepping and the screen cost, against named rivals
	$(BIN)/python benchmarks/engine_rates.py
	$(BIN)/python benchmarks/screen_cost.py

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache
