# Two commands are enough: `make dev` runs everything on this machine, `make test` passes the tests.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
NODE_READY := bench/node/node_modules/.ready
MINISTACK := .venv-ministack
MINISTACK_READY := $(MINISTACK)/.ready

.PHONY: dev test check bench setup procs lock clean

dev: $(READY) ## Everything in one process, on 127.0.0.1
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

bench: setup $(NODE_READY) ## Measure, into bench/RESULTS.md
	$(BIN)/python -m bench

procs: setup ## One process per line of Procfile
	PATH="$(CURDIR)/$(BIN):$$PATH" exec $(BIN)/honcho start

setup: $(READY) $(MINISTACK_READY)

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "kxmsg needs Python 3.11 or newer; set PYTHON=")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(MINISTACK_READY): requirements-ministack.lock
	$(PYTHON) -m venv $(MINISTACK)
	$(MINISTACK)/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-ministack.lock
	@touch $@

$(NODE_READY): bench/node/package-lock.json
	@if command -v npm >/dev/null; then \
		npm ci --prefix bench/node --ignore-scripts --no-audit --no-fund && touch $@; \
	else \
		echo "npm is not installed: the bench leaves out what runs on Node"; \
	fi

lock: ## Compile the versions anew, hashed, without naming an index
	$(BIN)/pip install --quiet pip-tools
	$(BIN)/pip-compile --quiet --generate-hashes --strip-extras --allow-unsafe --no-header \
		--no-emit-index-url --no-emit-find-links --no-emit-trusted-host \
		--extra dev --output-file requirements.lock pyproject.toml
	$(BIN)/pip-compile --quiet --generate-hashes --strip-extras --allow-unsafe --no-header \
		--no-emit-index-url --no-emit-find-links --no-emit-trusted-host \
		--output-file requirements-ministack.lock requirements-ministack.in

clean:
	rm -rf $(VENV) $(MINISTACK) bench/node/node_modules .kxmsg build dist *.egg-info
