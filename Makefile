# `make demo` and `make test` need Python 3.11+ and make, nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.set-up

.PHONY: detectors demo test lint mutants torture bench wheel clean docs
.DEFAULT_GOAL := demo

# Tests start hundreds of processes: each would compile the package for itself.
unexport PYTHONDONTWRITEBYTECODE

$(STAMP): requirements.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(STAMP)  ## ingest the samples and print what they tell
	@rm -rf .demo
	@$(BIN)/tunelog ingest data/samples --lake .demo
	@echo
	@$(BIN)/tunelog summary --lake .demo
	@echo
	@echo "Next: $(BIN)/tunelog show loss_curves --lake .demo --limit 10"

test: $(STAMP)  ## all tests
	$(BIN)/python -m pytest -n 2 --dist loadfile

lint: $(STAMP)  ## style, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

mutants: $(STAMP)  ## break the code on purpose: the tests must notice
	$(BIN)/python -m tests.mutants

torture: $(STAMP)  ## crashes, power cuts, races: the long forms, figures into docs/reliability.md
	$(BIN)/python -m tests.torture

detectors: $(STAMP)  ## how many planted faults the detectors find, into docs/detectors.md
	$(BIN)/python -m tests.detectors

bench: $(STAMP)  ## speed and memory against peers, as ratios of one run
	$(BIN)/python -m benchmarks.run

docs: $(STAMP)  ## write the generated pages anew
	$(BIN)/python -m pipeline.cli.reference > docs/cli.md
	$(BIN)/python -m pipeline.view_reference > docs/views.md

wheel: $(STAMP)  ## build dist/*.whl
	$(BIN)/python -m build --no-isolation --outdir dist

clean:
	rm -rf $(VENV) dist .demo .pytest_cache .hypothesis .mypy_cache .ruff_cache
