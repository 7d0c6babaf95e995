#!/usr/bin/env bash
# Test the engine on CUDA and measure it, in under 8 minutes: benchmarks/gpu.sh
#
# It works without a network. Where Python lacks what actbench needs, it is installed from the folder benchmarks/wheels,
# to be filled beforehand on a machine with a network and the same Python: pip download -d benchmarks/wheels . pytest
#
# The results go to benchmarks/results/gpu.md. Options are passed on: benchmarks/gpu.sh --device cpu --trials 1,8 tries
# the program without a GPU (name another file with --out then).
set -euo pipefail
cd "$(dirname "$0")/.."
python="${PYTHON:-python3}"
needed="import pydantic, pytest, scipy, torch, typer, yaml"

if ! "$python" -c "$needed" 2>/dev/null; then
    folder="$(mktemp -d)"
    trap 'rm -rf "$folder"' EXIT
    "$python" -m venv --system-site-packages "$folder/python"
    python="$folder/python/bin/python"
    "$python" -m pip install --quiet --no-index --find-links benchmarks/wheels actbench pytest ||
        { echo "benchmarks/gpu.sh: fill benchmarks/wheels first: pip download -d benchmarks/wheels . pytest" >&2; exit 4; }
fi
export PYTHONPATH="$PWD"

device=cuda
for word in "$@"; do
    [ "${previous:-}" = --device ] && device="$word"
    previous="$word"
done
if [ "$device" = cuda ] && ! "$python" -c "import sys, torch; sys.exit(not torch.cuda.is_available())"; then
    echo "benchmarks/gpu.sh: torch finds no GPU here; --device cpu tries the program" >&2
    exit 4
fi
timeout 100 "$python" -m pytest -q -p no:cacheprovider tests/training/test_stacks.py -k "gpu or cuda" ||
    [ $? -eq 5 ] || { echo "benchmarks/gpu.sh: the engine's tests failed" >&2; exit 1; }
"$python" -m benchmarks.gpu --out benchmarks/results/gpu.md "$@"
