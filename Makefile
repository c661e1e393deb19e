# make serve: everything from nothing to a server on http://127.0.0.1:9000 with its data in ./data
# make test:  everything from nothing to the test run

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DATA ?= data
# -b and not -bb: Twisted's own cache of header names mixes bytes and text.
TRIAL := $(BIN)/python -b -m twisted.trial
# What depends on the reactor; the other functional tests run on epoll only.
ON_ASYNCIO := boto3 curl descriptors disk_blobs large.LargeTests.test_one_put \
    large.LargeTests.test_many_at_once_over_tls leaks payloads process web_sockets

.PHONY: serve test soak lint bench clean

serve: $(VENV)/installed
	$(BIN)/objectd serve $(DATA)

test: $(VENV)/installed-test
	.ci/programs
	$(TRIAL) --temp-directory=_trial_temp -j2 objectd
	$(TRIAL) --temp-directory=_trial_temp.asyncio --reactor=asyncio \
	    $(addprefix objectd.test.functional.test_,$(ON_ASYNCIO))

# For hours instead of minutes; `python -m objectd.test.fuzz SEED --seconds N [--process]` and
# `python -m objectd.testing.simulation SEED` go on for as long as they are told.
soak: $(VENV)/installed-test
	OBJECTD_MACHINE_EXAMPLES=5000 $(TRIAL) --temp-directory=_trial_temp.soak \
	    objectd.test.machine objectd.test.functional.test_machine
	OBJECTD_LINEARIZABILITY_ROUNDS=200 OBJECTD_LINEARIZABILITY_SEED=$$$$ $(TRIAL) \
	    --temp-directory=_trial_temp.soak objectd.test.functional.test_linearizability
	$(BIN)/python -m objectd.test.fuzz $$$$ --seconds 600
	$(BIN)/python -m objectd.test.fuzz $$$$ --seconds 600 --process

lint: $(VENV)/installed-lint
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/towncrier build --draft --version next >/dev/null

bench: $(VENV)/installed-test
	$(BIN)/python contrib/bench/run.py --page docs/performance.md

clean:
	rm -rf build *.egg-info _trial_temp* .mypy_cache .ruff_cache .hypothesis

# Editable in compat mode: in any other, twistd does not see the dropins of a flat layout.
INSTALL = $(BIN)/pip install --quiet --editable '.$(1)' --config-settings editable_mode=compat

$(VENV)/installed: setup.cfg pyproject.toml | $(BIN)/pip
	$(call INSTALL)
	touch $@

$(VENV)/installed-test: $(VENV)/installed
	$(call INSTALL,[test])
	touch $@

$(VENV)/installed-lint: $(VENV)/installed-test
	$(call INSTALL,[test$(comma)lint])
	touch $@

comma := ,

$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "objectd needs Python 3.11 or later: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
