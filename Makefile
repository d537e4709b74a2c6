# Every target makes .venv ready first; only python3 and the package registries are needed.
.DEFAULT_GOAL := help
.PHONY: help demo test test-kafka services check bench crash fix clean
PY := .venv/bin/python

help: ## what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t12

demo: .ready ## the main job on real purchases, start to end (KEEP=1 leaves the daemon running, RUNTIME=kafka: on PostgreSQL and a broker)
	@$(PY) -m examples.demo $(if $(KEEP),--keep,) $(if $(RUNTIME),--runtime $(RUNTIME),)

test: .ready ## every test, nothing to start by hand (JOBS=n at once; those that count seconds come last, one by one)
	@$(PY) -m pytest -n $(or $(JOBS),logical) --dist loadfile --no-loadscope-reorder -m "not alone"; beside=$$?; \
	$(PY) -m pytest -m alone && exit $$beside

test-kafka: .ready ## what leans on a broker, on a real Apache Kafka 4 (needs a JDK 17, Maven and a Maven repository)
	@scripts/apache-kafka $(PY) -m pytest tests/stream tests/scaled tests/integration/test_local_services.py

services: .ready ## PostgreSQL and a broker to try with, until Ctrl-C
	@$(PY) -m deploy.local

check: .ready ## format, lint, types, import contracts, architecture tests
	@.venv/bin/ruff format --check --quiet . && .venv/bin/ruff check --quiet .
	@.venv/bin/mypy
	@.venv/bin/lint-imports --no-logo 2>/dev/null || .venv/bin/lint-imports
	@$(PY) -m pytest -n $(or $(JOBS),logical) tests/architecture

bench: .ready ## figures against baselines measured in the same run (QUICK=1 for a short one)
	@scripts/bootstrap bench
	@$(PY) -m benchmarks $(if $(QUICK),--quick,)

crash: .ready ## kill -9 the daemon N times under traffic and audit the providers' own logs (RUNTIME=kafka: many processes)
	@$(PY) -m $(if $(filter kafka,$(RUNTIME)),tests.scaled --acts $(or $(N),300),tests.crash --kills $(or $(N),1000))

fix: .ready ## format and mend what can be mended by machine
	@.venv/bin/ruff format --quiet . ; .venv/bin/ruff check --fix --quiet .

.PHONY: .ready
.ready:
	@scripts/bootstrap

clean: ## forget what was built
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .demo .kafka
