#!/usr/bin/env bash
# Compiles every kernel with NVRTC and reports registers and spills: Tests/KernelsCUDA/compile.sh [ARCHITECTURE …]
# By default for sm_80, sm_90 and sm_100. PYTHON names a python with nvidia-cuda-nvrtc; else ../Interop/environment.sh sees to one.
# Exit status 1 on an error or a spill beyond what compile.py allows, 75, and a line that says why, where NVRTC cannot be had.
set -euo pipefail
here=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
command -v python3 >/dev/null || { echo "python3 is not here" >&2; exit 75; }
python=${PYTHON:-}
[ -n "$python" ] || python=$("$here/../Interop/environment.sh" nvrtc) || exit $?
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
python3 "$here/extract.py" "$scratch" >/dev/null
"$python" "$here/compile.py" "$scratch" "$@"
