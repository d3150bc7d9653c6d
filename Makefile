# The one door. `make test` is what CI runs.
#
#   make run        the broker, from an optimised build
#   make test       everything: check, test-rust, test-crash, compat, bench-trial, instructions
#   make bench-trial  whether figures can still be taken: seconds, no figure to quote
#   make test-rust  the tests that need nothing but cargo
#   make test-crash the crash tests on the optimised build
#   make check      formatting and lints
#   make compat     stock clients and Apache Kafka's tools against the broker, crashes under load
#   make soak       the same with a 1 GiB stream and 100 kills, 40,000 crash points; 2 GiB through the tier, on moto, on MinIO
#                   (built once: seven minutes) and restored, whose store is away for ten minutes, 60 kills over it;
#                   MirrorMaker and more of Connect;
#                   100,000 messages copied in transactions, 100,000 transfers of the bank; Kafka Streams' smoke tests in
#                   full; the wire suite against Apache Kafka; the container's image, built and used; the tier's figures
#   make oracle     records compat/oracle/ and protocol-tests/golden/ again from the real Apache Kafka
#   make instructions  instructions of each step of a record's way, beside those of benches/instructions.txt;
#                   ARGS=--write writes that file again
#   make micro      the time of each of these steps (two minutes; ARGS=scan: some of them)
#   make flamegraph  where the broker's processor time goes in r1 to r4, drawn into docs/bench/ (needs perf);
#                   ARGS="--cases r1 --out DIR"
#   make floor      what r1 to r4 cost a program that does only what a durable broker must (7 minutes)
#   make bench      figures of Highwater and Apache Kafka in turn, and bench-tier, into docs/bench/ (65 minutes, 22 GiB of disk);
#                   ARGS="--quick" tries it in 5 minutes; ARGS="--cases r1,r2 --rounds 5 --out DIR" and more: see
#                   `bench` in CONTRIBUTING.md
#   make bench-tier  what tiered storage costs: copying, cold reads, requests, cold readers beside hot producers, into
#                   docs/bench/tiering-* (10 minutes, 10 GiB of disk, root; MinIO is built once); ARGS="--rounds 1 --out DIR"
#
# Outside tools (kcat, tshark, Java, Maven, Python) are found on the path, else installed: apt when root, a virtual environment
# for Python, a folder for jars. COMPAT_CACHE names the folder for what is installed; without it, it is the target
# folder.

SHELL := /bin/bash
CARGO ?= cargo
# Words after `compat run` or `bench run`: make compat ARGS="kcat-codecs crash"
ARGS ?=
# What the broker under test is built by: as users run it, or `PROFILE=dev`, which is quick to build.
PROFILE ?= release
export COMPAT_PROFILE = $(if $(filter dev,$(PROFILE)),debug,$(PROFILE))
COMPAT = $(CARGO) run --quiet --package compat --

.PHONY: run test test-rust test-crash check compat soak oracle bench bench-trial broker bench-tier instructions micro flamegraph floor

run:
	$(CARGO) run --release

# Its parts one after the other, each with the time it took.
test:
	@for part in check test-rust test-crash compat bench-trial instructions; do \
	  start=$$SECONDS; $(MAKE) --no-print-directory $$part || exit; \
	  echo "== make $$part: $$((SECONDS - start)) s"; \
	done

check:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --quiet -- -D warnings
	$(CARGO) clippy --package highwater --test crash --quiet -- -D warnings

test-rust:
	$(CARGO) test --workspace --quiet

# Together with the crash tests: asked for alone, the broker would be built with fewer features of what both stand on,
# and all of it twice.
broker:
	$(CARGO) build --quiet --profile $(PROFILE) --bin highwater --test crash

test-crash:
	$(CARGO) test --quiet --release --test crash

instructions:
	$(CARGO) bench --quiet --bench instructions -- $(ARGS)

micro:
	$(CARGO) bench --quiet --bench micro -- $(ARGS)

compat: broker
	$(COMPAT) run $(ARGS)

soak: broker
	HIGHWATER_CRASH_POINTS=40000 $(CARGO) test --quiet --release --test crash
	$(COMPAT) run --soak $(ARGS)
	$(COMPAT) run --against kafka wire
	$(MAKE) --no-print-directory bench-tier ARGS="--rounds 1 --out $${CARGO_TARGET_DIR:-target}/soak-figures"

oracle:
	$(COMPAT) oracle $(ARGS)

bench-trial: broker
	$(CARGO) run --quiet --package bench -- run --quick --cases disk,idle,start,r1,r4,c3,h1 --labels highwater
	$(CARGO) run --quiet --package bench -- tier --quick

bench:
	$(CARGO) build --quiet --release --package highwater --package bench --bins
	COMPAT_PROFILE=release $${CARGO_TARGET_DIR:-target}/release/bench run $(ARGS)
	$(if $(ARGS),,$(MAKE) --no-print-directory bench-tier)

bench-tier:
	$(CARGO) build --quiet --release --package highwater --package bench --bins
	COMPAT_PROFILE=release $${CARGO_TARGET_DIR:-target}/release/bench tier $(ARGS)

# A broker with frame pointers, in a target folder of its own, is what perf can see through.
floor:
	$(CARGO) run --quiet --release --package bench -- floor $(ARGS)

flamegraph: export COMPAT_PROFILE = flamegraph/release
flamegraph:
	RUSTFLAGS=-Cforce-frame-pointers=yes $(CARGO) build --quiet --release --bin highwater \
	  --target-dir $(or $(CARGO_TARGET_DIR),target)/flamegraph
	$(CARGO) run --quiet --release --package bench -- flamegraph $(ARGS)
