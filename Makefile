# The one door. `make test` is what CI runs.
#
#   make run        the broker, from an optimised build
#   make test       everything: check, test-rust, compat
#   make test-rust  the tests that need nothing but cargo
#   make check      formatting and lints
#   make compat     stock clients and Apache Kafka's tools against the broker, crashes under load
#   make soak       the same with a 1 GiB stream and 100 kills; the wire suite against Apache Kafka too
#   make oracle     records compat/oracle/ and protocol-tests/golden/ again from the real Apache Kafka
#   make bench      figures (issue 5)
#
# Outside tools (kcat, tshark, Java, Maven, Python) are found on the path, else installed: apt when root, a virtual environment
# for Python, a folder for jars. COMPAT_CACHE names the folder for what is installed; without it, it is the target
# folder.

SHELL := /bin/bash
CARGO ?= cargo
# Words after `compat run`: make compat ARGS="kcat-codecs crash"
ARGS ?=
COMPAT = $(CARGO) run --quiet --package compat --

.PHONY: run test test-rust check compat soak oracle bench broker

run:
	$(CARGO) run --release

# Its three parts one after the other, each with the time it took.
test:
	@for part in check test-rust compat; do \
	  start=$$SECONDS; $(MAKE) --no-print-directory $$part || exit; \
	  echo "== make $$part: $$((SECONDS - start)) s"; \
	done

check:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --quiet -- -D warnings

test-rust:
	$(CARGO) test --workspace --quiet

broker:
	$(CARGO) build --quiet --bin highwater

compat: broker
	$(COMPAT) run $(ARGS)

soak: broker
	$(COMPAT) run --soak $(ARGS)
	$(COMPAT) run --against kafka wire

oracle:
	$(COMPAT) oracle $(ARGS)

bench:
	@echo "make bench: figures, and the loads they are taken with, come with issue 5" >&2; exit 2
