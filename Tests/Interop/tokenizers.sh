#!/usr/bin/env bash
# Compares the tokenizers with tiktoken and tokenizers over generated texts, in a throwaway Python environment.
#   Tests/Interop/tokenizers.sh [COUNT]      20000 texts a tokenizer by default; about two minutes
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install -q tiktoken tokenizers
LOOM_RUNNER=${LOOM_RUNNER:-$root/.build/release/runner} "$place/venv/bin/python" "$root/Tests/Interop/compare_tokenizers.py" "$@"
