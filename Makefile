# Everything a newcomer needs: `make serve` and `make test`. The rest is for those who change the code.
PYTHON ?= python3
VENV := .venv
DIST ?= dist
BIN := $(VENV)/bin
# Tests wait a lot, for processes and disks: two at a time on each processor.
WORKERS := $(shell expr 2 \* $$(getconf _NPROCESSORS_ONLN))
# Failures are shown as they happen; a worker without tests takes some of another; one that dies ends the run.
PARALLEL := --instafail -n $(WORKERS) --dist worksteal --max-worker-restart 0
# An editable install does not show Twisted its plugins: they are looked for along the path alone.
HERE = echo "$(CURDIR)" >$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/here.pth
# setuptools warns in a box of folders that are named as the packages that they are.
INSTALL = PYTHONWARNINGS='ignore:Editable installation' $(BIN)/pip install --quiet \
	--disable-pip-version-check --constraint constraints.txt --editable

# What an installation is made of, the browser client included.
PARTS := pyproject.toml constraints.txt tools/build_backend.py tools/web_build.py \
	$(shell find web \( -name node_modules -o -name build -o -name tests \) -prune -o -type f -print)

# Tests start the same programs again and again: they are compiled once, whatever the environment says.
export PYTHONDONTWRITEBYTECODE :=

.SILENT:
.PHONY: serve test test-fast test-system test-deb test-large test-containers dist deb docs lint mutate format bench-abuse bench-client bench-rendezvous bench-relay bench-restarts bench-scale clean

serve: $(VENV)/.serve
	echo "Starting the server; Ctrl-C stops it."
	$(BIN)/wormhole-server run

test: $(VENV)/.dev
	echo "Running all tests but those of test-system and test-containers, $(WORKERS) at a time."
	$(BIN)/python -m pytest $(PARALLEL)

test-fast: $(VENV)/.dev
	echo "Running the tests that start no processes."
	$(BIN)/python -m pytest $(PARALLEL) -m "not processes" --ignore tests/end_to_end

test-system: $(VENV)/.dev
	echo "Running the tests that need Debian's packages."
	$(BIN)/python -m pytest $(PARALLEL) tests/system --ignore tests/system/test_deb.py --ignore tests/system/web/test_large.py

# Builds the package of `make deb`, and installs, upgrades and removes it in machines of its own: five minutes.
test-deb: $(VENV)/.dev
	echo "Building the Debian package, and testing it."
	$(BIN)/python -m pytest tests/system/test_deb.py

# 1 GiB between the page and the command, each way: minutes, and 2 GiB of disk.
test-large: $(VENV)/.dev
	echo "Sending 1 GiB each way between a browser and the command."
	$(BIN)/python -m pytest --durations=0 tests/system/web/test_large.py

# As root: it starts a Docker engine of its own, and puts the machine's network back when it has ended.
test-containers: $(VENV)/.dev
	echo "Running the tests that need a Docker engine."
	$(BIN)/python -m pytest -o faulthandler_timeout=900 tests/containers

# The wheel and the source distribution.
dist: $(VENV)/.dev
	$(BIN)/python -m tools.distributions $(DIST)

# A package for the Debian that this is.
deb: dist
	deploy/debian/build $(DIST)/*.whl $(DIST)

# What is made from the code, and committed.
docs: $(VENV)/.dev
	$(BIN)/python -m tools.configure_page
	$(BIN)/python -m tools.web_words
	$(BIN)/python -m tools.web_vectors

lint: $(VENV)/.dev
	echo "Checking with ruff and mypy."
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# One change at a time in the core, and which of them no test notices. Takes an hour or more.
mutate: $(VENV)/.dev
	$(BIN)/python -m tools.mutate

bench-abuse: $(VENV)/.dev
	$(BIN)/python -m bench.abuse

bench-client: $(VENV)/.dev
	$(BIN)/python -m bench.client

bench-rendezvous: $(VENV)/.dev
	$(BIN)/python -m bench.rendezvous
	$(BIN)/python -m bench.expiry

bench-relay: $(VENV)/.dev
	$(BIN)/python -m bench.relay

bench-restarts: $(VENV)/.dev
	$(BIN)/python -m bench.restarts

bench-scale: $(VENV)/.dev
	$(BIN)/python -m bench.scale

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.serve: $(PARTS) | $(VENV)/bin/python
	echo "Installing the server into $(VENV), and building its web client: half a minute, more the first time."
	$(INSTALL) '.[client]'
	$(HERE)
	touch $@

$(VENV)/.dev: $(PARTS) | $(VENV)/bin/python
	echo "Installing the server and its tests' tools into $(VENV), and building its web client."
	$(INSTALL) '.[dev]'
	$(HERE)
	touch $@ $(VENV)/.serve

clean:
	rm -rf $(VENV) .bench build dist web/build web/node_modules *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
