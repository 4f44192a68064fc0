#!/usr/bin/env bash
# Places a Kafka broker for the tests in a folder: noida-db (MIT), one binary out of a Python package of a fixed version.
set -euo pipefail
dir="${1:?where to: tests/broker.sh DIR}"
if [ -x "$dir/noida-db" ]; then
  exit 0
fi
mkdir -p "$dir"
wheels="$(mktemp -d)"
trap 'rm -rf "$wheels"' EXIT
"${PYTHON:-python3}" -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --dest "$wheels" noida-db==0.2.3
python3 - "$wheels" "$dir" <<'PYTHON'
import pathlib, sys, zipfile
wheels, to = map(pathlib.Path, sys.argv[1:])
[wheel] = wheels.glob("noida_db-*.whl")
with zipfile.ZipFile(wheel) as archive:
    (to / "noida-db.new").write_bytes(archive.read("noida_db/noida-db"))
(to / "noida-db.new").chmod(0o755)
(to / "noida-db.new").rename(to / "noida-db")
PYTHON
