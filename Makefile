# Everything a contributor runs. `make help` lists it. Works with the make of macOS (3.81) too.

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# Tests run in processes side by side; each has one torch thread, and all windows share one of them.
WORKERS ?= 2
# Further arguments of pytest, as in: make test ARGS="-k geometry"
ARGS ?=

ifeq ($(shell uname -s),Linux)
SCREEN := env -u WAYLAND_DISPLAY QT_QPA_PLATFORM=xcb xvfb-run -a -s "-screen 0 1600x1000x24"
else
SCREEN :=
endif

.PHONY: help setup demo test check lint format types rooms manifest docs screenshots clean
.DEFAULT_GOAL := help

help: ## List what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMP) ## Make .venv with everything in it, and install the system libraries that windows need

$(STAMP): pyproject.toml constraints.txt
	@python="$$(tools/find_python.sh)" && tools/system_libraries.sh "$$python" && \
	{ $(BIN)/python -c "" 2>/dev/null || "$$python" -m venv --clear $(VENV); }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[dev]"
	@touch $@

demo: setup ## Segment a sample volume from start to end; needs no screen
	$(BIN)/napari-nnunet-em demo

test: check ## Every check, then every test in a real window too; the last line is pytest's summary
	$(SCREEN) $(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup --cov --cov-report=term --cov-fail-under=95 $(ARGS)

check: lint types rooms manifest docs ## Every check that is not a test

lint: setup ## Style and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: setup ## Put the formatting right
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: setup ## Static types of src
	$(BIN)/mypy

rooms: setup ## Which room may import which
	$(BIN)/lint-imports

manifest: setup ## What napari is told about the plugin
	$(BIN)/python -m npe2 validate src/napari_nnunet_em/napari.yaml

docs: setup ## The documentation, where every warning and broken link is an error
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs site

screenshots: setup ## The pictures in docs/images, taken in a real window; needs the data in ../shared
	$(SCREEN) $(BIN)/python docs/make_screenshots.py

clean: ## Remove everything that can be made again
	rm -rf $(VENV) site build dist demo-output .coverage .coverage.* .nox .pytest_cache .mypy_cache .ruff_cache \
		.hypothesis .import_linter_cache
