# The two commands of the README, and what they need.

.PHONY: demo demo-cluster test lint bench setup model

# Builds Springline and shows a small real garden at http://127.0.0.1:8080.
demo:
	cargo run --release -p springline-pipelines --bin springline -- demo

# Several processes on one log, on this machine: a broker, `ingest`, two `run`, and a consumer of a change feed.
demo-cluster:
	cargo build --release -p springline-pipelines --bin springline
	deploy/demo-cluster.sh

# Installs what the tests need (git, a browser, Python readers of Parquet), checks the code and runs every test.
test: setup lint
	cargo build --workspace --bins
	tests/run.sh

lint:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo check --manifest-path fuzz/Cargo.toml

setup:
	tests/setup.sh

# Places a sentence model (Apache-2.0) and the runtime it needs, for `embedding.model_dir = "models/minilm"`.
model:
	tests/model.sh models/minilm

bench:
	cargo run --release -p springline-bench -- gardens
