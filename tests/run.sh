#!/usr/bin/env bash
# Runs every test. The recorded gardens (large, not part of the repository) are used if SPRINGLINE_TEST_DATA names
# their folder, or if a folder beside the checkout has them; without them the tests that need them say so.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ -z "${SPRINGLINE_TEST_DATA:-}" ]; then
  for data in ../*/data; do
    if [ -d "$data/gardens/truth" ]; then
      SPRINGLINE_TEST_DATA="$(cd "$data" && pwd)"
      export SPRINGLINE_TEST_DATA
      break
    fi
  done
fi
export SPRINGLINE_TEST_PYTHON="$(cd "${CARGO_TARGET_DIR:-target}" && pwd)/test-python/bin/python"
cargo test --workspace "$@"
