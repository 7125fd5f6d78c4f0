# make demo | test | coverage | lint | docs | clean-kernels | clean
# Needs python3.11 or newer with venv and pip; everything else goes into .venv.

PYTHON ?= python3
BIN := .venv/bin
DEMO := run/demo
CODE := netlists placer dse plots tests docs

.PHONY: demo test coverage lint docs clean-kernels clean

demo: .venv/installed
	rm -rf $(DEMO)
	$(BIN)/dse explore systolic_28nm --out $(DEMO)
	$(BIN)/dse floorplan $(DEMO) --design knee --method rl --budget 45 --workers 2 --seed 0
	$(BIN)/dse report $(DEMO)
	@echo "open $(DEMO)/report.html: the design to build and why; its floorplan is the link at the top"

# One thread a process: two test processes share two cores.
test: lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

# Lines of netlists and of both cost models that the tests reach; kernels are interpreted once, which takes its time.
coverage: .venv/coverage
	$(BIN)/python -m tests.benchmarks.coverage

.venv/coverage: .venv/installed
	$(BIN)/python -m pip install --disable-pip-version-check --quiet -c constraints.txt -e '.[coverage]'
	touch $@

lint: .venv/installed
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

# Warnings are errors: a page that a reader would find broken is not built.
docs: .venv/docs
	$(BIN)/python -m sphinx -W --keep-going -q docs docs/build/html
	@echo "manual: docs/build/html/index.html"

.venv/docs: .venv/installed
	$(BIN)/python -m pip install --disable-pip-version-check --quiet -c constraints.txt -e '.[docs]'
	touch $@

.venv/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("error: $(PYTHON) is Python %d.%d; expected 3.11 or newer: make PYTHON=python3.11" % sys.version_info[:2])'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check --quiet -c constraints.txt -e '.[test]'
	touch $@

# Numba's caches do not notice changes in functions that a kernel calls from another module.
clean-kernels:
	find $(CODE) -name __pycache__ -type d -prune -exec rm -rf {} +

clean: clean-kernels
	rm -rf .venv build dist *.egg-info run docs/build docs/generated .mypy_cache .ruff_cache .pytest_cache .hypothesis
