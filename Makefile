# Every target makes its own environment first. PYTHON may name another Python 3.11 or 3.12.
PYTHON ?= python3.11
VENV := .venv
STAMP := $(VENV)/.installed
BIN := $(VENV)/bin

.PHONY: setup demo test check format bench opensim-check clean

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "kinefuse needs Python 3.11 or 3.12; say which with PYTHON=..."; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[video,viewer,train,study,dev]"
	touch $(STAMP)

demo: $(STAMP)
	$(BIN)/kinefuse demo --out demo --overwrite

test: $(STAMP)
	$(BIN)/python -m pytest -n 2 --dist loadfile

check: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(STAMP)
	benchmarks/run.sh

opensim-check: $(STAMP)
	tools/opensim_check.sh

clean:
	rm -rf $(VENV) .venv-* build dist demo
