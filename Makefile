# FluxRouter's commands; `make help` lists them. Each prepares what it lacks and says so.
# Needs only make and a Python >= 3.11; everything else comes with hashes from requirements.lock.

.DEFAULT_GOAL := help
BIN := .venv/bin
READY := .venv/ready
# The first interpreter that is new enough; `make setup PYTHON=/path/to/python` overrides it.
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
# More for the tool behind a target: `make test ARGS="-k holds -x"`, `make run ARGS="--workers 2"`.
ARGS ?=
# Two workers for two cores; a file's tests stay together because they share one real server.
PYTEST := $(BIN)/pytest -n 2 --dist loadfile
# What is promised in milliseconds, or starts a whole cluster, shares the cores with nothing else.
ALONE := tests/faults tests/operator tests/chart
# Needs a cluster with running pods, so it has a target of its own.
ELSEWHERE := tests/cluster
NOTHING := 5 # pytest's exit code where ARGS select no test of one of the two runs
# Folders whose scripts run by path: each is an import root of its own, so each is typed on its own.
SCRIPTS := make benchmarks examples/demo examples/demo-cluster examples/demo-operator

# What the container image is called; no runtime looks for `localhost/` in a registry.
IMAGE ?= localhost/fluxrouter:dev
# A command that brings an archive, its last word, to the nodes of a cluster (docs/cluster.md).
LOAD_IMAGE ?=
IN_CLUSTER = IMAGE=$(IMAGE) LOAD_IMAGE="$(LOAD_IMAGE)" KUBECONFIG=$(KUBECONFIG)

.PHONY: help setup generate crds chart helm kubernetes redis run demo demo-cluster demo-operator test test-unit test-faults test-cluster lint verify bench bench-quick bench-routing bench-edge bench-operator image lock lock-image clean

help: ## Print every target and what it does
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

setup: $(READY) ## Create .venv from the locked packages; nothing to do while they are unchanged

$(READY): requirements.lock pyproject.toml hatch_build.py make/setup.py
	@test -n "$(PYTHON)" || { echo "setup: no Python >= 3.11 found: install one (Debian, Ubuntu:" \
		"apt-get install python3 python3-venv), or say make setup PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) make/setup.py

generate: $(READY) ## Generate Python code from protos/ where a contract changed
	@$(BIN)/python hatch_build.py

crds: generate ## Write the chart's custom resource definitions from protos/, and its table of values
	$(BIN)/python make/crds.py
	$(BIN)/python make/chart.py readme

chart: helm ## Package the Helm chart into dist/
	@$(BIN)/python make/chart.py

helm: generate ## Build helm, which checks and packages the chart, unless it is there
	@$(BIN)/python -m fluxrouter_testing.kubernetes_programs helm

kubernetes: generate ## Build helm and the Kubernetes API server of the tests, unless they are there
	@$(BIN)/python -m fluxrouter_testing.kubernetes_programs

redis: $(READY) ## Unpack Debian's Redis for the tests of TLS, unless one is there
	@$(BIN)/python -m fluxrouter_testing.redis_program

run: generate ## Run a server with HTTP edge and example plans and accounts; Ctrl-C ends it
	$(BIN)/fluxrouter serve --edge --examples $(ARGS)

demo: generate ## Play the story of the Free plan against a real server, on a simulated clock
	$(BIN)/python examples/demo $(ARGS)

demo-cluster: helm ## Play FluxRouter in the cluster that KUBECONFIG names: install, apply, spend, kubectl get
	@$(IN_CLUSTER) $(BIN)/python examples/demo-cluster $(ARGS)

demo-operator: kubernetes ## Play FluxRouter in a Kubernetes cluster: apply, spend, kubectl get
	$(BIN)/python examples/demo-operator $(ARGS)

test: kubernetes redis ## Run all tests
	$(PYTEST) tests $(ALONE:%=--ignore=%) $(ELSEWHERE:%=--ignore=%) $(ARGS) || [ $$? -eq $(NOTHING) ]
	$(BIN)/pytest $(ALONE) $(ARGS) || [ $$? -eq $(NOTHING) ]

test-unit: generate ## Run the tests that need no server: under 30 seconds
	$(PYTEST) tests/unit tests/architecture $(ARGS)

test-faults: generate ## Kill worker, server, store and database 200 times under load; compare all sums
	FLUXROUTER_FAULT_ROUNDS=200 $(BIN)/pytest tests/ledger/test_kills.py $(ARGS)

test-cluster: helm ## Install, use, upgrade and remove the chart in the cluster that KUBECONFIG names
	@$(IN_CLUSTER) $(BIN)/pytest tests/cluster -x -q --capture=sys $(ARGS)

lint: helm ## Check style, types, import rules and the contracts' compatibility
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	@for folder in $(wildcard $(SCRIPTS)); do \
		echo "$(BIN)/mypy $$folder"; MYPYPATH=$$folder $(BIN)/mypy $$folder || exit 1; done
	$(BIN)/lint-imports
	$(BIN)/buf lint
	$(BIN)/python make/breaking.py
	$(BIN)/python make/chart.py lint

verify: generate ## Check that lock file, committed generated files and the built wheel are right
	$(BIN)/python make/verify.py

bench: generate ## Measure decisions against a bare gRPC echo; writes benchmarks/results/
	$(BIN)/python benchmarks/run.py $(ARGS)
	$(BIN)/python benchmarks/ledger_worker.py
	$(BIN)/python benchmarks/ledger_usage.py
	$(BIN)/python benchmarks/edge.py

bench-quick: generate ## The same in under a minute, less exactly
	$(BIN)/python benchmarks/run.py --quick $(ARGS)

bench-routing: generate ## Measure the routing of flux-auto on labelled prompts: DATA=FOLDER
	@test -n "$(DATA)" || { echo "bench-routing: say where the labels are: make bench-routing" \
		"DATA=FOLDER (docs/routing.md says what must be in it)" >&2; exit 1; }
	$(BIN)/python benchmarks/routing/run.py $(DATA)

bench-edge: generate ## Measure the HTTP edge beside LiteLLM, budgets on: speed, CPU, overspend
	$(BIN)/python benchmarks/edge.py

bench-operator: kubernetes ## Measure the operator with 10,000 accounts; takes some minutes
	$(BIN)/python benchmarks/operator_scale.py $(ARGS)

image: generate ## Build the container image without a Docker engine; IMAGE=NAME:TAG names it
	@$(BIN)/python make/image.py --name $(IMAGE)

lock: $(READY) ## Raise requirements.lock to the newest versions that pyproject.toml allows
	$(BIN)/python make/lock.py

lock-image: $(READY) ## Raise make/image-system.lock to the packages that this machine's apt offers
	$(BIN)/python make/image_system.py

clean: ## Remove everything that make made, .venv included
	rm -rf .venv build dist .setup.lock .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
