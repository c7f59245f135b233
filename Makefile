# Everything a newcomer needs: `make serve` and `make test`. The rest is for those who change the code.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# An editable install does not show Twisted its plugins: they are looked for along the path alone.
HERE = echo "$(CURDIR)" >$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/here.pth

.PHONY: serve test test-system test-containers docs lint format bench-rendezvous bench-relay bench-scale clean

serve: $(VENV)/.serve
	$(BIN)/wormhole-server run

test: $(VENV)/.dev
	$(BIN)/python -m pytest

test-system: $(VENV)/.dev
	$(BIN)/python -m pytest tests/system

# As root: it starts a Docker engine of its own, and puts the machine's network back when it has ended.
test-containers: $(VENV)/.dev
	$(BIN)/python -m pytest -o faulthandler_timeout=900 tests/containers

# What is made from the code, and committed.
docs: $(VENV)/.dev
	$(BIN)/python -m tools.configure_page
	$(BIN)/python -m tools.reload_page

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench-rendezvous: $(VENV)/.dev
	$(BIN)/python -m bench.rendezvous
	$(BIN)/python -m bench.expiry

bench-relay: $(VENV)/.dev
	$(BIN)/python -m bench.relay

bench-scale: $(VENV)/.dev
	$(BIN)/python -m bench.scale

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip

$(VENV)/.serve: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/pip install --quiet --constraint constraints.txt --editable .
	$(HERE)
	touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	$(HERE)
	touch $@ $(VENV)/.serve

clean:
	rm -rf $(VENV) .bench build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
