# The one door. `make test` is what CI runs.
#
#   make run        the broker, from an optimised build
#   make test       everything: check, test-rust, compat
#   make test-rust  the tests that need nothing but cargo
#   make check      formatting and lints
#   make compat     stock clients and Apache Kafka's tools against the broker, crashes under load
#   make soak       the same with a 1 GiB stream and 100 kills; the wire suite against Apache Kafka too
#   make oracle     records compat/oracle/ and protocol-tests/golden/ again from the real Apache Kafka
#   make bench      figures of Highwater and Apache Kafka in turn, into docs/bench/ (45 minutes, 28 GiB of disk);
#                   ARGS="--quick" tries it in 5 minutes; ARGS="--cases r1,r2 --rounds 5 --out DIR" and more: see
#                   `bench` in CONTRIBUTING.md
#
# Outside tools (kcat, tshark, Java, Maven, Python) are found on the path, else installed: apt when root, a virtual environment
# for Python, a folder for jars. COMPAT_CACHE names the folder for what is installed; without it, it is the target
# folder.

SHELL := /bin/bash
CARGO ?= cargo
# Words after `compat run` or `bench run`: make compat ARGS="kcat-codecs crash"
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
	$(CARGO) build --quiet --release --package highwater --package bench --bins
	$(CARGO) run --quiet --release --package bench -- run $(ARGS)
