# Each target sets up what it needs in .venv; the second call is quick.
#
#   make demo                   phantoms, cross-validation, ensemble, lesion table and report in at most 10 minutes
#   make demo DATA=folder       the same with a dataset of your own (nnU-Net v2 raw layout)
#   make test                   ruff, mypy, the tests of the engine and of the Slicer module
#   make module-test            the tests of the Slicer module only, with Qt 6.7 and, where it is installed, Qt 5.15
#   make bench                  every benchmark against its peers, and one table of all: build/bench/table.md
#   make lint                   ruff and mypy only
#   make smoke                  phantom, plan, train, predict and evaluate through the command line, in a minute or two

.DEFAULT_GOAL := help
.PHONY: help demo test engine-test module-test bench lint smoke format file-list losses-page demo-ensemble clean
.DELETE_ON_ERROR:

BIN := .venv/bin
READY := .venv/.stamp
MODULE_READY := .venv/.module-stamp
DATA ?=
OUT ?= demo/$(shell date +%Y%m%d-%H%M%S)
MINUTES ?= 8
JOBS ?= 2
PYTEST ?=
BENCH_OUT ?= build/bench

help:
	@sed -n 's/^#   //p' Makefile

$(READY): pyproject.toml constraints.txt Testing/setup_environment.sh
	@Testing/setup_environment.sh

demo: $(READY)
	@$(BIN)/lossseg demo --out "$(OUT)" --minutes $(MINUTES) $(if $(DATA),--data "$(DATA)")

$(MODULE_READY): $(READY) constraints.txt Testing/setup_module_environment.sh
	@Testing/setup_module_environment.sh

test: lint engine-test module-test

# One thread for each worker: tests run in $(JOBS) processes already.
engine-test: $(READY)
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) -q Testing/Engine $(PYTEST)

# In a process of its own: the engine's tests import torch, which the module must not.
module-test: $(MODULE_READY)
	@Testing/module_tests.sh $(PYTEST)
	@QT=5 Testing/module_tests.sh Testing/Module/harness Testing/Module/conformance Testing/Module/test_module_opening.py

lint: $(READY)
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet . || { echo "Run 'make format': the files above are not in ruff's format."; exit 1; }
	@$(BIN)/mypy --no-error-summary
	@echo "ruff and mypy found nothing."

format: $(READY)
	@$(BIN)/ruff check --quiet --fix .
	@$(BIN)/ruff format --quiet .

bench: $(READY)
	-@$(BIN)/python Testing/Benchmarks/all.py --out "$(BENCH_OUT)"

smoke: $(READY)
	@Testing/smoke.sh $(BIN)

# The ensemble that comes with the extension: three small networks trained on phantoms, some minutes.
demo-ensemble: $(READY)
	@Testing/demo_ensemble.sh $(BIN) SlicerLossSeg/Resources/DemoStudy

# docs/losses.md comes from the catalogue of losses.
losses-page: $(READY)
	@$(BIN)/python Testing/losses_page.py

# CMake installs the files that it lists; this writes the list anew from the tree.
file-list: $(READY)
	@$(BIN)/python Testing/file_list.py

# Results (demo/) stay.
clean:
	rm -rf .venv build .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info SlicerLossSeg/*.egg-info
	find SlicerLossSeg Testing -name __pycache__ -type d -prune -exec rm -rf {} +
