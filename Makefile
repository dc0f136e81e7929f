# Everything that this project can do, one target each. `make help` lists them.
SHELL := bash
.DEFAULT_GOAL := help
UV := scripts/uv
RUN := $(UV) run --quiet
export PYTHONUNBUFFERED := 1

.PHONY: help setup demo demo-down test unit check e2e bench perturb mutation generate docs clean

help: ## show this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## (.*)/\1\t\2/' | expand -t 12

setup: ## install uv and the locked Python packages, build what the local cluster needs
	$(UV) sync --quiet
	$(RUN) python -m e2e.stand build

demo: ## main job on real parts: a cluster, the operator, five files, a client, an edit, a killed broker (ENGINE=automq)
	$(UV) sync --quiet
	$(RUN) python -m e2e.demo up $(if $(ENGINE),--engine $(ENGINE)) $(DEMO_ARGS)

demo-down: ## remove all that the demo made
	$(RUN) python -m e2e.demo down

test: ## all tests: checks, unit, component, integration, then end to end on the stand
	$(UV) sync --quiet
	$(RUN) python scripts/run_tests.py

unit: ## unit and component tests only (no cluster, no Kafka)
	$(RUN) pytest tests -m "not integration and not kafka"

check: ## ruff, mypy, layer rules, generated files up to date
	$(RUN) python scripts/check.py

e2e: ## end-to-end tests alone, on the cluster that CLUSTER names (stand, kind or current)
	$(RUN) pytest e2e -p no:cacheprovider $(if $(CLUSTER),--cluster $(CLUSTER))

bench: ## measure into build/bench/: the main job, or WORKLOAD=W1..W8 N=1000 TARGET=real|fake TOPICS=8
	$(RUN) --group bench python -m benchmarks $(if $(WORKLOAD),--workload $(WORKLOAD)) $(if $(N),--n $(N)) \
	  $(if $(TARGET),--target $(TARGET)) $(if $(TOPICS),--topics $(TOPICS)) $(if $(POLICY),--policy $(POLICY)) \
	  $(if $(SECONDS),--seconds $(SECONDS)) $(BENCH_ARGS)

mutation: ## count the small wrongs in the code that the unit tests notice (PART=core alone), result in build/bench/
	$(RUN) --group mutation python -m benchmarks.mutation $(if $(PART),--part $(PART))

perturb: ## every fault at every place of every scenario, in memory and on a real apiserver (PERTURB_WATCH=both: with kopf's watch too)
	$(UV) sync --quiet
	PERTURB_FULL=1 $(RUN) pytest tests/perturb -m "not integration" -n 2 -q --timeout=3600
	PERTURB_FULL=1 $(RUN) pytest tests/perturb -m integration -n $(or $(PERTURB_WORKERS),4) -q

generate: ## write the generated files: CRDs, API reference, the chart's copy of the CRDs
	$(RUN) python scripts/generate.py

docs: ## build the documentation into site/
	$(RUN) mkdocs build --strict

clean: ## stop the local cluster, remove what was built here (the cache folder stays)
	-$(RUN) python -m e2e.stand down --wipe
	rm -rf build dist site .coverage .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
