#!/usr/bin/env bash
# Export → the reference implementation loads it → same logits: Tests/Interop/run.sh [PYTHON]
# PYTHON has torch, transformers and safetensors; by default environment.sh sees to that. Exit status 75, and a line that
# says why, where they cannot be had.
set -euo pipefail
here=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
root=$(cd "$here/../.." && pwd)
python=${1:-}
[ -n "$python" ] || python=$("$here/environment.sh" weights) || exit $?
program="$root/.build/release/runner"
[ -x "$program" ] || swift build -c release --package-path "$root" --product runner >&2
"$python" "$here/check_export.py" "$program"
