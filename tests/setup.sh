#!/usr/bin/env bash
# Installs what the tests need and is not there: git, a browser, OpenSSL's headers, Python's readers of Parquet, a Kafka broker.
set -euo pipefail
cd "$(dirname "$0")/.."

need=()
command -v git >/dev/null || need+=(git)
command -v cc >/dev/null || need+=(gcc libc6-dev)
command -v c++ >/dev/null || need+=(g++)
command -v make >/dev/null || need+=(make)
[ -e /usr/include/openssl/ssl.h ] || need+=(libssl-dev pkg-config)
[ -e /usr/include/zlib.h ] || need+=(zlib1g-dev)
command -v chromium >/dev/null || command -v chromium-browser >/dev/null || need+=(chromium)
python3 -c 'import venv, ensurepip' 2>/dev/null || need+=(python3-venv)
if [ "${#need[@]}" -gt 0 ]; then
  sudo=""
  [ "$(id -u)" -eq 0 ] || sudo="sudo"
  echo "installing ${need[*]}"
  $sudo apt-get update -qq
  DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends "${need[@]}" >/dev/null
fi

rustup component list --installed 2>/dev/null | grep -q '^clippy' || rustup component add clippy rustfmt


venv="${CARGO_TARGET_DIR:-target}/test-python"
if ! "$venv/bin/python" -c 'import duckdb, moto.server, polars, pyarrow' 2>/dev/null; then
  echo "installing duckdb, polars, pyarrow and moto"
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check duckdb==2.0.0 polars==2.1.0 pyarrow==26.0.1 "moto[server]==5.2.5"
fi
PYTHON="$venv/bin/python" tests/broker.sh "${CARGO_TARGET_DIR:-target}/test-broker"
