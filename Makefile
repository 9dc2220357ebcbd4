# Two commands matter to a newcomer: `make demo` runs the main job, `make test` passes the tests.
PYTHON ?= python3
BIN := .venv/bin
UV := $(BIN)/uv

.PHONY: venv demo stack test check train lock clean help
help:                  ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## */\t/' | expand -t 16

.venv/.made:
	@$(PYTHON) -c 'import sys; sys.exit("Tocsin needs Python 3.11 or newer, this is " + sys.version.split()[0] + ": set PYTHON=…") if sys.version_info < (3, 11) else 0'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==0.13.9
	@touch $@

.venv/.runtime: .venv/.made requirements.lock pyproject.toml
	$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock
	$(UV) pip install --quiet --python $(BIN)/python --no-deps -e .
	@touch $@

.venv/.dev: .venv/.runtime requirements-dev.lock
	$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements-dev.lock
	@touch $@

venv: .venv/.dev       ## the environment for developers (with torch, for the training tests)

demo: .venv/.runtime   ## the main job on a scenario of our own: ONCE=1 runs it to the end without a terminal
	$(BIN)/tocsin demo $(if $(ONCE),--once)

stack: .venv/.runtime  ## Kafka, Elasticsearch and Triton on this machine, without containers (`tocsin stack down` ends them)
	$(BIN)/tocsin stack up

check: .venv/.dev      ## format, lint, types, import rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: .venv/.dev       ## everything
	$(BIN)/pytest -n auto --dist loadgroup

train: .venv/.dev      ## the shipped model again, from the data in TOCSIN_DATA into runs/default
	@test -n "$(TOCSIN_DATA)" || { echo "set TOCSIN_DATA to the folder of the data sets"; exit 2; }
	OMP_WAIT_POLICY=PASSIVE $(BIN)/tocsin models train --data "$(TOCSIN_DATA)" --out runs/default

lock: .venv/.made      ## pin the newest versions that pyproject.toml allows
	$(UV) pip compile -q --upgrade --generate-hashes --no-emit-index-url --no-header --python-version 3.11 \
		pyproject.toml -o requirements.lock
	$(UV) pip compile -q --upgrade --generate-hashes --no-emit-index-url --no-header --python-version 3.11 \
		--extra dev --extra train -c requirements.lock pyproject.toml -o requirements-dev.lock

clean:                 ## what can be made again
	rm -rf .venv out runs build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
