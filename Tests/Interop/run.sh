#!/usr/bin/env bash
# Export → the reference implementation loads it → same logits: Tests/Interop/run.sh [PYTHON]
# PYTHON has torch, transformers and safetensors; without it they are installed into an environment that is thrown away
# afterwards (some minutes, and gigabytes of downloads).
set -euo pipefail
here=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
root=$(cd "$here/../.." && pwd)
python=${1:-}
if [ -z "$python" ]; then
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    echo "installing torch and transformers into $scratch …" >&2
    python3 -m venv "$scratch/venv"
    "$scratch/venv/bin/pip" install --quiet torch transformers safetensors
    python="$scratch/venv/bin/python"
fi
program="$root/.build/release/runner"
[ -x "$program" ] || swift build -c release --package-path "$root" --product runner >&2
"$python" "$here/check_export.py" "$program"
