# Two commands are enough: `make dev` runs everything on this machine, `make test` passes the tests.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: dev test check bench setup procs lock clean

dev: setup ## Everything in one process, on 127.0.0.1
	@exec $(BIN)/kxmsg dev

test: setup ## All tests
	$(BIN)/pytest -n 2 --dist loadfile

check: setup ## Style, types, floors, coverage
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest
	$(BIN)/coverage combine -q
	$(BIN)/coverage report

bench: setup ## Measure, into bench/RESULTS.md
	$(BIN)/python -m bench

procs: setup ## One process per line of Procfile
	PATH="$(CURDIR)/$(BIN):$$PATH" exec $(BIN)/honcho start

setup: $(READY)

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "kxmsg needs Python 3.11 or newer; set PYTHON=")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

lock: ## Compile the versions anew, hashed, without naming an index
	$(BIN)/pip install --quiet pip-tools
	$(BIN)/pip-compile --quiet --generate-hashes --strip-extras --allow-unsafe --no-header \
		--no-emit-index-url --no-emit-find-links --no-emit-trusted-host \
		--extra dev --output-file requirements.lock pyproject.toml

clean:
	rm -rf $(VENV) .kxmsg build dist *.egg-info
