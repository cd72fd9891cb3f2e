# Each target does all of its own set-up: a virtual environment from a lock file, made once and remade when the lock changes.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c

PYTHON ?= python3
# A file's tests share their fixtures: they stay on one process. tests/conftest.py puts the longest files first.
# Three processes on two cores: clusters and child processes are waited for much of the time.
PYTEST_ARGS ?= -n 3 --dist loadfile --no-loadscope-reorder
BENCH_ARGS ?=
FUZZ_ARGS ?= --cases 10000 --seed 1 -j 2 --bounds 200
SOAK_ARGS ?=
DOCS_ARGS ?=
UV ?= uv

.PHONY: help demo test lint bench soak fuzz faults docs notebooks train-env lock clean

help:
	@echo "make demo       the main job on the bundled sample: a table, plots and corrected jets in demo-output/"
	@echo "make test       the tests (PYTEST_ARGS='-n 4 tests/nano' for more processes, or a part)"
	@echo "make lint       ruff, its formatter, and mypy"
	@echo "make bench      the benchmarks of tests/benchmarks, tables: build/bench/report.md (BENCH_ARGS='--only features')"
	@echo "make soak       two thousand chunks on two dask workers, a report of memory, sessions, speed: build/soak/report.md"
	@echo "make fuzz       ten thousand broken inputs, a table of outcomes: build/fuzz/failures (FUZZ_ARGS='--cases 300 -j 1')"
	@echo "make faults     workers, schedulers and commands that are killed in ways that take too long for make test"
	@echo "make docs       the documentation, with executed notebooks: build/docs/index.html (DOCS_ARGS=--no-notebooks is faster)"
	@echo "make notebooks  the notebooks of examples/notebooks run, with their figures: build/notebooks/"
	@echo "make train-env  the environment to simulate and train in, .venv-train"
	@echo "make lock       resolve the lock files afresh (needs uv)"
	@echo "make clean      remove the environments, demo-output/ and build/"

demo: .venv-demo/.stamp
	.venv-demo/bin/mljec demo -o demo-output

test: .venv-test/.stamp
	.venv-test/bin/python -m pytest $(PYTEST_ARGS)

lint: .venv-test/.stamp
	.venv-test/bin/ruff check coffea_mljec training tests examples docs
	.venv-test/bin/ruff format --check coffea_mljec training tests examples docs
	.venv-test/bin/mypy

bench: .venv-test/.stamp
	OMP_NUM_THREADS=1 .venv-test/bin/python -m tests.benchmarks -o build/bench $(BENCH_ARGS)

soak: .venv-test/.stamp
	OMP_NUM_THREADS=1 .venv-test/bin/python -m tests.benchmarks.soak -o build/soak $(SOAK_ARGS)

fuzz: .venv-test/.stamp
	OMP_NUM_THREADS=1 .venv-test/bin/python -m tests.fuzz -o build/fuzz $(FUZZ_ARGS)

faults: .venv-test/.stamp
	OMP_NUM_THREADS=1 .venv-test/bin/python -m pytest --faults tests

docs: .venv-docs/.stamp
	@.venv-docs/bin/python docs/build.py $(DOCS_ARGS)

notebooks: .venv-test/.stamp
	mkdir -p build/notebooks
	cp examples/notebooks/*.ipynb build/notebooks
	.venv-test/bin/jupyter-execute --inplace build/notebooks/*.ipynb

train-env: .venv-train/.stamp

# Each stamp is written last: an interrupted set-up starts again instead of leaving half an environment behind. Two quiets,
# because one still prints pip's warnings about the places where it looks; errors are printed all the same.
PIP = .venv-$*/bin/python -m pip install --quiet --quiet --disable-pip-version-check

.venv-%/.stamp: .venv-%/.locked pyproject.toml
	$(PIP) --no-deps --editable .
	@touch $@

.PRECIOUS: .venv-%/.locked
.venv-%/.locked: requirements/%.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "coffea-mljec needs Python 3.11 or newer, $(PYTHON) is " + sys.version.split()[0] + ": make PYTHON=python3.11 ...")'
	@echo "setting up .venv-$* from requirements/$*.txt; this takes some minutes, once"
	$(PYTHON) -m venv --clear .venv-$*
	$(PIP) -r requirements/$*.txt
	@touch $@

# torch asks for gigabytes of GPU packages that nothing here uses: they stay out of the locks, and so do the local
# suffixes of its CPU builds.
COMPILE = $(UV) pip compile pyproject.toml --quiet --universal --python-version 3.11 --no-header --no-annotate --upgrade
WITHOUT_GPU = sed -E -e '/^(nvidia-|cuda-|triton=)/d' -e 's/^(torch==[0-9.]+).*/\1/'

lock:
	$(COMPILE) --extra dask --extra plot > requirements/demo.txt.part
	$(COMPILE) --extra dask-awkward --extra plot --extra train --extra simulate --extra dev | $(WITHOUT_GPU) > requirements/test.txt.part
	$(COMPILE) --extra dask --extra plot --extra train --extra simulate | $(WITHOUT_GPU) > requirements/train.txt.part
	$(COMPILE) --extra dask --extra plot --extra train --extra simulate --extra docs | $(WITHOUT_GPU) > requirements/docs.txt.part
	@for name in demo test train docs; do test -s requirements/$$name.txt.part && mv requirements/$$name.txt.part requirements/$$name.txt; done

clean:
	rm -rf .venv-demo .venv-test .venv-train .venv-docs demo-output build
