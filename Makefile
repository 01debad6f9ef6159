# Everything runs in .venv, made here; nothing is installed outside the checkout.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SOURCES := pyproject.toml Cargo.toml Cargo.lock $(wildcard rust/*/Cargo.toml) $(shell find rust -name "*.rs")
DEMO ?= demo

.PHONY: help check demo test bench lint format docs wheel fuzz miri sanitize clean

help:  ## List the targets.
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

check:
	@sh .ci/toolchain $(PYTHON)

$(VENV)/installed: $(SOURCES) | check
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=24"
	$(BIN)/python -m pip install --disable-pip-version-check --progress-bar off --quiet --editable ".[dev]"
	@touch $@

demo: $(VENV)/installed  ## Sweep the ratio on the embedded corpus and write a report (offline, minutes).
	$(BIN)/hybrid-fast demo --out $(DEMO)

test: $(VENV)/installed  ## Run all tests: Rust, then Python.
	cargo test --locked
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist worksteal

bench: $(VENV)/installed  ## Print the throughput of plan, ranks, top-k and search, then of rival libraries.
	cargo bench --locked
	$(BIN)/python benches/rivals.py

lint: $(VENV)/installed  ## Formatting, lints, types, stubs and the import contract.
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m mypy.stubtest hybrid_fast._core
	$(BIN)/lint-imports

format: $(VENV)/installed  ## Format Rust and Python.
	cargo fmt --all
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

docs:  ## Build the documentation of the Rust core.
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps -p hybrid_fast_core

wheel: $(VENV)/installed  ## Build the wheel into dist/.
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/maturin build --release --locked --out dist

# Seconds for each fuzz target.
FUZZ ?= 60
TRIPLE = $(shell rustc +nightly -vV | sed -n 's/^host: //p')

fuzz:  ## Fuzz the array boundary under AddressSanitizer (nightly Rust, cargo-fuzz; FUZZ=seconds a target).
	cargo +nightly fuzz run dense -- -max_total_time=$(FUZZ) -max_len=4096 -rss_limit_mb=4096
	cargo +nightly fuzz run search -- -max_total_time=$(FUZZ) -max_len=4096 -rss_limit_mb=4096

sanitize:  ## Run the Rust tests under AddressSanitizer, every instruction set of this machine (nightly Rust).
	RUSTFLAGS=-Zsanitizer=address CARGO_TARGET_DIR=target/sanitize cargo +nightly test --locked --lib --target $(TRIPLE)

# Miri knows no vector instructions: it runs the portable path; a few long tests are left out.
miri:  ## Run the Rust tests of ranking and search in Miri (nightly Rust with miri; minutes).
	MIRIFLAGS=-Zmiri-disable-isolation PROPTEST_CASES=1 CARGO_TARGET_DIR=target/miri cargo +nightly miri test --locked --lib -- \
		kernel matrix metrics ranks rows selection shortlist threads topk coarse \
		--skip longest_row --skip long_row --skip far_from_the_origin --skip whole_matrix

clean:  ## Remove everything that was built.
	rm -rf $(VENV) target dist demo
