# Two commands need no set-up: `make demo` and `make test`. Both make their environment first.
PYTHON ?= python3
BIN := .venv/bin
PIP_FLAGS := --quiet --disable-pip-version-check

.PHONY: demo test check bench fuzz format wheel clean help
.DEFAULT_GOAL := help

help:
	@echo "make demo     send the sample data to a local double of Miso and show what came in"
	@echo "make test     run the whole suite"
	@echo "make check    formatting, lint and types, and a short run of the fuzzer"
	@echo "make fuzz     a long run: minutes for each part that reads input"
	@echo "make format   put the formatting right"
	@echo "make bench    measure ratios against a short script and other tools; takes minutes"
	@echo "make wheel    build the wheel and the source archive into dist/"
	@echo "make clean    remove the environments and all that was built"

# Exit code 1 says that rows were rejected, as some of the sample data should be.
demo: .venv/installed
	@mkdir -p build && rm -f build/demo.rejects.jsonl
	$(BIN)/miso-upload sample_data/history.jsonl --sandbox --rejects build/demo.rejects.jsonl \
		|| test $$? = 1
	@echo && echo "The rows that were set aside, each with its reasons:" && \
		cut -c 1-160 build/demo.rejects.jsonl && echo
	$(BIN)/miso-upload sample_data/orders.csv --sandbox --set type=checkout --delimiter ';' \
		--map user_id=customer --map product_ids=skus --list-separator ' ' --map quantities=amounts \
		--map revenue=total --map timestamp=ordered_at --timezone Europe/Berlin || test $$? = 1

test: .venv/installed .venv-clients/installed
	MISO_UPLOAD_CLIENTS_PYTHON=$(CURDIR)/.venv-clients/bin/python $(BIN)/pytest

check: .venv/installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m fuzz

fuzz: .venv/installed
	$(BIN)/python -m fuzz --seconds 240

format: .venv/installed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# apachelogs is measured against, and needed for nothing else.
bench: .venv/installed .venv-clients/installed .venv-bench/installed
	.venv-clients/bin/python -m pip install $(PIP_FLAGS) apachelogs==0.6.1
	$(BIN)/python benchmarks/run.py --write --program $(CURDIR)/.venv-bench/bin/python \
		--clients $(CURDIR)/.venv-clients/bin/python --parser $(CURDIR)/.venv-clients/bin/python
	$(BIN)/python benchmarks/budgets.py --write --program $(CURDIR)/.venv-bench/bin/python

# The same commit gives the same bytes: see docs/releasing.md.
wheel: export SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 1580601600)
wheel: .venv/installed
	rm -rf dist
	$(BIN)/python -m build --no-isolation
	cd dist && sha256sum -- *.whl *.tar.gz | tee SHA256SUMS

clean:
	rm -rf .venv .venv-clients .venv-bench build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install $(PIP_FLAGS) --constraint constraints.txt --editable '.[dev]'
	@touch $@

# What users have: nothing of the development tools, some of which are slow to import.
.venv-bench/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/python -m pip install $(PIP_FLAGS) --constraint constraints.txt .
	@touch $@

# Clients of Miso that other people wrote. They stand apart, because one of them needs old versions
# of what we use; the suite uploads with each of them to the local double.
.venv-clients/installed: tests/clients.txt
	$(PYTHON) -m venv .venv-clients
	.venv-clients/bin/python -m pip install $(PIP_FLAGS) --requirement tests/clients.txt
	@touch $@
