#!/usr/bin/env bash
# Compares the tokenizers with tiktoken and tokenizers over generated texts, in an environment that environment.sh makes.
#   Tests/Interop/tokenizers.sh [COUNT]      20000 texts a tokenizer by default; about two minutes
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
python=$("$root/Tests/Interop/environment.sh" tokenizers) || exit $?
LOOM_RUNNER=${LOOM_RUNNER:-$root/.build/release/runner} "$python" "$root/Tests/Interop/compare_tokenizers.py" "$@"
