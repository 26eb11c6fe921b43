#!/usr/bin/env bash
# Compares the tokenizers with tiktoken and tokenizers over generated texts: Tests/Interop/tokenizers.sh [COUNT [PYTHON [ONLY]]]
# COUNT texts a tokenizer (20000: about two minutes; 500 are the short form, some twelve seconds). PYTHON has tiktoken and
# tokenizers; by default environment.sh sees to that. ONLY is a part of a tokenizer's name. Exit status 75, and a line that says
# why, where they cannot be had.
set -euo pipefail
here=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
root=$(cd "$here/../.." && pwd)
count=${1:-20000}
python=${2:-}
case $count in
'' | *[!0-9]*)
    echo "tokenizers.sh: COUNT is a number of texts, not '$count'" >&2
    exit 2
    ;;
esac
if [ -z "$python" ]; then
    python=$("$here/environment.sh" tokenizers) || exit $?
elif ! "$python" -c 'import tiktoken, tokenizers'; then
    echo "tokenizers.sh: $python lacks tiktoken or tokenizers; see above" >&2
    exit 2
fi
program=${LOOM_RUNNER:-$root/.build/release/runner}
[ -x "$program" ] || swift build -c release --package-path "$root" --product runner >&2
LOOM_RUNNER=$program "$python" "$here/compare_tokenizers.py" "$count" "${3:-}"
