# `make demo` and `make test` do all set-up on a fresh machine with Python 3.11+ and make.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# LOCKED=1: install the files of requirements/lock.txt and no others.
LOCKED ?=
# A CPU build on machines without a GPU; set TORCH= to keep a PyTorch that is installed already.
TORCH ?= torch==2.13.0
DATA ?= ../shared/data/mvsa-single
MMSD ?= ../shared/data/mmsd
FLICKR8K ?= ../shared/data/flickr8k-match
HARMEME ?= ../shared/data/harmeme

.PHONY: help install site demo experiment-smoke test test-all check format results bench bench-growth bench-levers bench-guard bench-serve bench-gpu torture lock sbom audit clean

help:  ## List the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

# pip compiles on one processor alone; not every file of every package can be compiled.
$(BIN)/.installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(if $(TORCH),$(BIN)/python -m pip install --quiet --no-compile $(TORCH))
	$(if $(LOCKED),$(BIN)/python -m pip install --quiet --no-compile --no-deps --require-hashes -r requirements/lock.txt)
	$(BIN)/python -m pip install --quiet --no-compile $(if $(LOCKED),--no-deps) -e '.[offline,demo,ocr,knowledge,excel,onnx,openvino,ray,ray-serve,tune,lora,mlflow,wandb,explain,serve,docs,dev]'
	$(BIN)/python -m compileall -qq -j 0 $(VENV)/lib || true
	touch $@

install: $(BIN)/.installed  ## Create .venv and install everything

# Threads that wait leave the processor to other programs (docs/cpu.md).
demo: export GOMP_SPINCOUNT = 1000
demo: $(BIN)/.installed  ## Synthetic posts: train text-only, image-only, CLFA without and with guide; predict
	$(BIN)/python -m clfa.demo.run --output demo

experiment-smoke: $(BIN)/.installed  ## Run a small experiment on the synthetic posts and write its report
	$(BIN)/python -c "from clfa.demo.make import make_demo_data; make_demo_data('demo/data')"
	$(BIN)/clfa experiment smoke --data-dir demo/data --output runs/smoke
	$(BIN)/clfa report runs/smoke

site: $(BIN)/.installed  ## Build the documentation site in build/site; warnings are errors
	$(BIN)/python docs/site/build_site.py build/site

torture: $(BIN)/.installed  ## Kill, damage and starve everything at random, for hours; write docs/reliability.md
	nice -n 10 $(BIN)/python -m torture --write

# One process per core: threads of the programs that tests start would wait for each other.
test test-all: export OMP_NUM_THREADS = 1
test: $(BIN)/.installed  ## Run the fast tests
	$(BIN)/python -m pytest -n auto --dist worksteal -m "not slow"

test-all: $(BIN)/.installed  ## Run all tests, with the slow ones and those on real data
	$(BIN)/python -m pytest -n auto --dist worksteal --durations=40

check: $(BIN)/.installed  ## Run ruff, the import contracts and mypy
	$(BIN)/ruff check src tests benchmarks torture requirements examples docs/site
	$(BIN)/ruff format --check src tests benchmarks torture requirements examples docs/site
	$(BIN)/lint-imports --no-logo
	$(BIN)/mypy

format: $(BIN)/.installed  ## Format with ruff
	$(BIN)/ruff check --fix src tests benchmarks torture requirements examples docs/site
	$(BIN)/ruff format src tests benchmarks torture requirements examples docs/site

results: export OMP_NUM_THREADS = 1
results: $(BIN)/.installed  ## Compute the result tables (DATA=MVSA-Single, MMSD=MMSD, FLICKR8K=flickr8k-match, HARMEME=HarMeme); about twelve hours on two cores, estimated
	$(BIN)/clfa experiment mvsa-comparison --data-dir $(DATA) --jobs 2 --output runs/mvsa-comparison
	$(BIN)/clfa report runs/mvsa-comparison
	for name in mvsa-fusions mvsa-variants mvsa-match presets-mvsa; do \
		$(BIN)/clfa experiment $$name --data-dir $(DATA) --jobs 2 --output runs/$$name && \
		$(BIN)/clfa report runs/$$name || exit 1; done
	for name in flickr8k-match flickr8k-fusions flickr8k-curve presets-flickr8k; do \
		$(BIN)/clfa experiment $$name --data-dir $(FLICKR8K) --jobs 2 --output runs/$$name && \
		$(BIN)/clfa report runs/$$name || exit 1; done
	$(BIN)/clfa experiment presets-harmeme --data-dir $(HARMEME) --jobs 2 --output runs/presets-harmeme
	$(BIN)/clfa report runs/presets-harmeme
	$(BIN)/clfa experiment mvsa-tuned --data-dir $(DATA) --jobs 2 --output runs/mvsa-tuned
	$(BIN)/clfa report runs/mvsa-tuned
	$(BIN)/clfa experiment mmsd-knowledge --data-dir $(MMSD) --jobs 2 --output runs/mmsd-knowledge
	$(BIN)/clfa report runs/mmsd-knowledge
	$(BIN)/python benchmarks/logistic_regression.py --data-dir $(DATA) --folds 1 2 3 4 5 6 7 8 9 10

# REFERENCE: a checkout of the authors' code to run, too; BENCH: further options, see `python -m benchmarks run -h`.
bench: $(BIN)/.installed  ## Measure and write docs/performance.md (REFERENCE=directory: also the authors' code)
	$(BIN)/python -m benchmarks run $(if $(REFERENCE),--reference $(REFERENCE)) $(BENCH)

bench-growth: $(BIN)/.installed  ## Plot time and memory against samples, length, batch, classes, processes
	$(BIN)/python -m benchmarks growth
	$(BIN)/python -m benchmarks render

bench-levers: $(BIN)/.installed  ## Measure each CPU optimisation; write docs/performance.md
	$(BIN)/python -m benchmarks levers
	$(BIN)/python -m benchmarks render

bench-guard: export OMP_NUM_THREADS = 1
bench-guard: $(BIN)/.installed  ## Fail if a step clearly costs more than before (ratios and counts, no seconds)
	$(BIN)/python -m benchmarks guard

RUN ?= demo/runs/clfa-with-guide
TABLE ?= demo/data/test.jsonl
bench-serve: export OMP_NUM_THREADS = 1
bench-serve: $(BIN)/.installed  ## Load on the service with slow clients (RUN=run folder, TABLE=posts); docs/serving.md
	$(BIN)/python -m benchmarks.serving $(RUN) $(TABLE) $(BENCH)

# PY: the Python that has PyTorch with CUDA; nothing is installed. Packages as wheels: see benchmarks/gpu/__main__.py.
PY ?= python3
bench-gpu:  ## Measure on a GPU, eight minutes at most; write docs/performance-gpu.md (REFERENCE=the authors' code)
	PYTHONPATH=src $(PY) -m benchmarks.gpu $(if $(REFERENCE),--reference $(REFERENCE)) $(BENCH)

lock: $(BIN)/.installed  ## Write requirements/lock.txt and licences.md from the packages of .venv
	$(BIN)/python requirements/lock.py

build/audit/bin/python:
	$(PYTHON) -m venv build/audit
	build/audit/bin/python -m pip install --quiet cyclonedx-bom pip-audit

sbom: $(BIN)/.installed build/audit/bin/python  ## Write build/sbom.json, a bill of materials in CycloneDX's format
	build/audit/bin/cyclonedx-py environment $(BIN)/python --output-format JSON --output-file build/sbom.json

audit: build/audit/bin/python  ## Ask the package index for known vulnerabilities of the locked packages
	build/audit/bin/pip-audit --disable-pip --require-hashes -r requirements/lock.txt

clean:  ## Remove generated files
	rm -rf $(VENV) demo build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
