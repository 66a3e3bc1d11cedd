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

TARGETS := help run test test-pages test-clients test-faults test-cluster api worker migrate native revision check bench bench-soak profile format \
  screenshots mails lock dist clean
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
	@exec $(BIN)/python -m entrypoints.devserver

test: $(DEV) ## the whole test suite, against PostgreSQL and Valkey that it starts itself (a="-k login")
	@exec $(BIN)/python -m pytest $(a)

test-pages: $(DEV) ## journeys and accessibility of the pages in Chromium; needs npm for axe-core (a="-k passkey")
	@exec $(BIN)/python -m pytest tests/pages $(a)

test-faults: $(DEV) ## fault injection: processes killed and cut off, disks filled, releases rolled out; some minutes (a="-k ledger")
	@exec $(BIN)/python -m pytest -n 0 tests/faults tests/rolling tests/contracts/slow tests/entrypoints/slow $(a)

test-cluster: $(DEV) ## behind PgBouncer (if it is installed), Sentinels and a cluster (a="-k pgbouncer")
	@exec $(BIN)/python -m pytest -n 0 tests/cluster $(a)

test-clients: $(DEV) .venv-clients/installed ## clients that others wrote: npm and Python packages, Apache, HAProxy (a="-k jose")
	@exec $(BIN)/python -m pytest -n 0 tests/clients $(a)

##@ Production: one part each, from the environment alone
api migrate worker: export LATCHKEY_ENV ?= production

api: $(BASE) ## the HTTP service
	@exec $(BIN)/python -m entrypoints.api

worker: $(BASE) ## sends mail and purges expired rows
	@exec $(BIN)/python -m entrypoints.worker

migrate: $(BASE) ## brings the database up to date
	@exec $(BIN)/python -m entrypoints.migrate

native: $(BASE) ## password hashing compiled for this processor: the same hashes, sooner (needs a C compiler)
	@$(NATIVE)

##@ Development
check: $(DEV) ## what CI runs: format, lint, types, import contracts, tests
	$(BIN)/python -m ruff format --check
	$(BIN)/python -m ruff check
	$(BIN)/python -m mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest $(a)

bench: $(DEV) .venv-bench/installed ## every figure, its ratio and its aim, in a table; a quarter of an hour (ONLY=requests)
	@$(ENSURE_WRK)
	@exec $(BIN)/python -m tests.benchmarks

bench-soak: $(DEV) ## ten minutes of everything at once: do memory, descriptors and p99 stay flat? (SECONDS=600)
	@exec $(BIN)/python -m tests.benchmarks.soak $(SECONDS)

profile: $(DEV) .venv-bench/installed ## where the time of a call goes (CALL=/v1/forward-auth)
	@$(ENSURE_WRK)
	@exec $(BIN)/python -m tests.benchmarks.profiling $(CALL)

screenshots: $(DEV) ## PNG files of every page and mail, light and dark, narrow and wide, with an index (TO=.screenshots)
	@LATCHKEY_SCREENSHOTS=$(or $(TO),.screenshots) $(BIN)/python -m pytest -q -n 0 \
	  tests/pages/test_appearance.py tests/entrypoints/test_docs.py tests/entrypoints/test_mail_rendering.py
	@exec $(BIN)/python -m tests.support.picture_index $(or $(TO),.screenshots)

mails: $(DEV) ## every mail in every language as files, with an index page for a browser (TO=.mails)
	@exec $(BIN)/python -m entrypoints.devserver.mails $(or $(TO),.mails)

format: $(DEV) ## formats, and mends what can be mended
	@$(BIN)/python -m ruff check --fix --exit-zero --quiet
	@$(BIN)/python -m ruff format

revision: $(DEV) ## writes a migration for what changed in the tables (m="add a column"), while `make run` runs
	@test -n '$(m)' || { echo 'revision: say what changes, as in make revision m="add a column"' >&2; exit 2; }
	@exec $(BIN)/python -m alembic revision --autogenerate -m '$(m)'

lock: ## writes the requirements*.lock files from pyproject.toml (needs uv)
	@command -v uv >/dev/null || { echo 'lock: uv is not installed; see pyproject.toml for what it locks' >&2; exit 2; }
	uv $(LOCK) pyproject.toml -o requirements.lock
	uv $(LOCK) --extra run pyproject.toml -o requirements-run.lock
	uv $(LOCK) --extra run --extra dev pyproject.toml -o requirements-dev.lock
	uv $(LOCK) --group pyproject.toml:bench -o requirements-bench.lock
	uv $(LOCK) --group pyproject.toml:clients -o requirements-clients.lock

dist: $(DEV) ## builds the wheel into dist/, which installs the command `latchkey`
	@$(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist . && ls dist/*.whl

clean: ## removes what was installed and cached; .data stays
	rm -rf dist .venv .venv-bench .venv-clients tests/clients/node/node_modules tests/pages/node/node_modules .profile .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
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
	@$(BIN)/python entrypoints/install.py $<
	@[ ! -e .venv/native ] || ( $(NATIVE) ) || rm -f .venv/native
	@touch $@

# What we are measured against, apart from what we run: they ask for other versions.
.venv-bench/installed: requirements-bench.lock | $(DEV)
	@echo 'Installing $< into .venv-bench' >&2
	@$(BIN)/python -m venv .venv-bench
	@$(subst .venv/bin,.venv-bench/bin,$(INSTALL)) $<
	@touch $@

# Clients that others wrote, apart from what we run.
.venv-clients/installed: requirements-clients.lock | $(DEV)
	@echo 'Installing $< into .venv-clients' >&2
	@$(BIN)/python -m venv .venv-clients
	@$(subst .venv/bin,.venv-clients/bin,$(INSTALL)) $<
	@touch $@

# The load generator. Without it, what needs it says so and is not run.
define ENSURE_WRK
if ! command -v wrk >/dev/null && command -v apt-get >/dev/null && [ "$$(id -u)" -eq 0 ]; then \
  echo 'Installing the load generator wrk from Debian' >&2; \
  apt-get install -y -qq --no-install-recommends wrk >/dev/null 2>&1 || \
    { apt-get update -qq && apt-get install -y -qq --no-install-recommends wrk; } >/dev/null 2>&1; \
fi; \
command -v wrk >/dev/null || echo 'wrk is not installed (Debian: apt install wrk): measurements that need it are skipped' >&2
endef

# The same release with the same hash, from its source. `.venv/native` says which stands there, so that it is built
# once, and again only where the lock has moved on.
define NATIVE
block=$$(awk '/^argon2-cffi-bindings==/ { on = 1 } on { print } on && !/\\$$/ { exit }' requirements.lock); \
if [ "$$block" = "$$(cat .venv/native 2>/dev/null)" ]; then echo 'argon2-cffi-bindings is compiled already' >&2; exit 0; fi; \
if ! command -v "$${CC:-cc}" >/dev/null; then \
  echo 'native: needs a C compiler and the headers of Python (Debian: apt install gcc python3-dev)' >&2; exit 1; \
fi; \
echo 'Compiling argon2-cffi-bindings for this processor' >&2; \
printf '%s\n' "$$block" > .venv/native.lock && \
CFLAGS='-O3 -march=native' $(INSTALL) .venv/native.lock --no-cache-dir --no-deps --force-reinstall \
  --no-binary argon2-cffi-bindings && \
mv .venv/native.lock .venv/native && echo 'Done: what is started from now on uses it' >&2
endef

# An environment that lost its interpreter, or was left incomplete, is created again.
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
echo "Making .venv with $$("$$python" --version)" >&2; \
rm -rf .venv && "$$python" -m venv .venv
endef

endif
