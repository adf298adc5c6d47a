# Two commands matter: `make acceptance` (the suite) and `make test` (the suite's own tests).
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
SDKS := .venv-sdks

.PHONY: acceptance test defects mutants fuzz bench report lint doctor clean help

help:            ## this list
	@grep -hE '^[a-z]+: .*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

acceptance: $(VENV)/run.stamp  ## start everything, run all features, write the report; B="behave arguments"
	@$(RUN) -m support acceptance $(B)

test: $(VENV)/dev.stamp $(SDKS)/stamp  ## lint, layers, types and the suite's own tests
	@$(VENV)/bin/ruff check . && $(VENV)/bin/ruff format --check -q .
	@$(VENV)/bin/lint-imports --no-logo --no-cache
	@$(VENV)/bin/mypy
	@$(VENV)/bin/pytest -n 2 --dist loadfile

defects: $(VENV)/dev.stamp     ## seed every known defect, one at a time, and tell who caught it; D="defect ..."
	@$(RUN) -m tests.defects.proof $(D)

fuzz: $(VENV)/run.stamp         ## hold the contract against random requests for 5 minutes; SECONDS=n SEED=n
	@$(RUN) -m support fuzz --seconds $(or $(SECONDS),300) $(if $(SEED),--seed $(SEED))

mutants: $(VENV)/dev.stamp     ## change the gateway at random places, list what no scenario notices; M="--sample 20"
	@test -x $(VENV)-mutation/bin/cosmic-ray || $(PYTHON) -m venv $(VENV)-mutation
	@$(VENV)-mutation/bin/pip install --quiet --disable-pip-version-check -r requirements-mutation.txt
	@$(RUN) -m tests.mutation $(M)

bench: $(VENV)/dev.stamp       ## prove the auditor under load, measure its speed and memory; N="points points"
	@$(VENV)/bin/pytest -m proof tests/test_auditor.py -s
	@$(RUN) -m tests.bench_audit $(N)

lint: $(VENV)/dev.stamp        ## format, lint, layers, types and the picture of the architecture
	@$(RUN) -m tests.architecture
	@$(VENV)/bin/ruff format . && $(VENV)/bin/ruff check --fix . && $(VENV)/bin/lint-imports --no-logo --no-cache && $(VENV)/bin/mypy

report: $(VENV)/run.stamp      ## turn the last results into an Allure HTML report
	@$(RUN) -m support report

doctor: $(VENV)/run.stamp      ## what would be tested, what is reachable, how to fix what is not
	@$(RUN) -m support doctor

clean: $(VENV)/run.stamp       ## remove leftovers of dead runs
	@$(RUN) -m support clean

$(VENV)/run.stamp: requirements.txt requirements-report.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version.split()[0] + "; set PYTHON=/path/to/python3.11")'
	@test -x $(RUN) || $(PYTHON) -m venv $(VENV)
	@$(RUN) -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@command -v npm >/dev/null || $(RUN) -m pip install --quiet --disable-pip-version-check -r requirements-report.txt
	@touch $@

$(VENV)/dev.stamp: requirements-dev.txt $(VENV)/run.stamp
	@$(RUN) -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

$(SDKS)/stamp: requirements-sdks.txt $(VENV)/run.stamp
	@test -x $(SDKS)/bin/python || $(RUN) -m venv $(SDKS)
	@$(SDKS)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-sdks.txt
	@touch $@
