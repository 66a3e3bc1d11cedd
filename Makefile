# `make` alone prints this file's targets. Works from any folder, as root or not, with Python 3.11+ alone.

SHELL := /bin/sh
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.SUFFIXES:

# The folder of this file, blanks in its name included; that is why no list function of make touches it.
quoted = '$(subst ','\'',$(1))'
ROOT := $(shell cd "$$(dirname "$$(printf '%s' $(call quoted,$(MAKEFILE_LIST)) | sed 's/^ *//')")" && pwd -P)
HERE := $(if $(DELEGATED),$(ROOT),$(shell pwd -P))

ifeq ($(ROOT),)
$(error cannot tell the folder of $(MAKEFILE_LIST))
endif

TARGETS := help run test test-faults test-cluster api worker migrate revision check bench format lock clean
.PHONY: $(TARGETS)

ifneq ($(HERE),$(ROOT))

$(TARGETS):
	@cd $(call quoted,$(ROOT)) && exec $(MAKE) -f Makefile DELEGATED=yes $@

else

BIN := .venv/bin

# What is installed is enough for what needs less: the locks contain one another.
DEV := .venv/installed-dev
RUN := $(firstword $(wildcard $(DEV)) .venv/installed-run)
BASE := $(firstword $(wildcard $(DEV) .venv/installed-run) .venv/installed)

##@ Newcomers
run: $(RUN) ## everything at once: engines, migrations, API, worker and a mailbox; Ctrl-C stops it
	@exec $(BIN)/python -m entrypoints.run

test: $(DEV) ## the whole test suite, against PostgreSQL and Valkey that it starts itself (a="-k login")
	@exec $(BIN)/python -m pytest $(a)

test-faults: $(DEV) ## the same house, really killed, cut off and filled up; some minutes (a="-k ledger")
	@exec $(BIN)/python -m pytest -n 0 tests/faults $(a)

test-cluster: $(DEV) ## behind PgBouncer (if it is installed), Sentinels and a cluster (a="-k pgbouncer")
	@exec $(BIN)/python -m pytest -n 0 tests/cluster $(a)

##@ Production: one part each, from the environment alone
api migrate worker: export LATCHKEY_ENV ?= production

api: $(BASE) ## the HTTP service
	@exec $(BIN)/python -m entrypoints.api

worker: $(BASE) ## sends mail and keeps house
	@exec $(BIN)/python -m entrypoints.worker

migrate: $(BASE) ## brings the database up to date
	@exec $(BIN)/python -m alembic upgrade head

##@ Development
check: $(DEV) ## what CI runs: format, lint, types, import contracts, tests
	$(BIN)/python -m ruff format --check
	$(BIN)/python -m ruff check
	$(BIN)/python -m mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest $(a)

bench: $(DEV) ## what is measured: figures and ratios, in minutes (ONLY=a_million_users)
	@exec $(BIN)/python -m tests.benchmarks

format: $(DEV) ## formats, and mends what can be mended
	@$(BIN)/python -m ruff check --fix --exit-zero --quiet
	@$(BIN)/python -m ruff format

revision: $(DEV) ## writes a migration for what changed in the tables (m="add a column"), while `make run` runs
	@test -n '$(m)' || { echo 'revision: say what changes, as in make revision m="add a column"' >&2; exit 2; }
	@exec $(BIN)/python -m alembic revision --autogenerate -m '$(m)'

lock: ## writes the requirements*.lock files anew from pyproject.toml (needs uv)
	@command -v uv >/dev/null || { echo 'lock: uv is not installed; see pyproject.toml for what it locks' >&2; exit 2; }
	uv $(LOCK) pyproject.toml -o requirements.lock
	uv $(LOCK) --extra run pyproject.toml -o requirements-run.lock
	uv $(LOCK) --extra run --extra dev pyproject.toml -o requirements-dev.lock

clean: ## removes what was installed and cached; .data stays
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

help:
	@awk 'BEGIN { FS = ":.*## " } \
	  /^##@ / { printf "\n%s\n", substr($$0, 5) } \
	  /^[a-z-]+:.*## / { sub(/:.*/, "", $$1); printf "  make %-12s %s\n", $$1, $$2 }' Makefile

LOCK := pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
  --no-emit-find-links --no-header --no-annotate

# -- the environment ---------------------------------------------------------------------------------------

INSTALL := $(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check --no-input --require-hashes -r

.venv/installed: requirements.lock
.venv/installed-run: requirements-run.lock
.venv/installed-dev: requirements-dev.lock
.venv/installed .venv/installed-run .venv/installed-dev:
	@$(ENSURE_VENV)
	@echo 'Installing $< into .venv' >&2
	@$(INSTALL) $<
	@touch $@

# An environment that lost its interpreter, or was left half made, is made anew.
define ENSURE_VENV
if $(BIN)/python -m pip --version >/dev/null 2>&1; then exit 0; fi; \
for python in $${PYTHON:-python3.14 python3.13 python3.12 python3.11 python3 python}; do \
  "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && break; python=; \
done; \
if [ -z "$$python" ]; then \
  echo 'Latchkey needs Python 3.11 or newer on the PATH (or name one: make PYTHON=/path/to/python3.12 …)' >&2; exit 1; \
fi; \
if ! "$$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then \
  echo "$$python cannot make virtual environments: install its venv package (Debian: apt install python3-venv)" >&2; \
  exit 1; \
fi; \
rm -rf .venv && "$$python" -m venv .venv
endef

endif
