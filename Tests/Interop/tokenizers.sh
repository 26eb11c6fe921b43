#!/usr/bin/env bash
# Compares the tokenizers with tiktoken and tokenizers over generated texts: Tests/Interop/tokenizers.sh [COUNT [PYTHON [ONLY]]]
# COUNT texts a tokenizer (20000: about two minutes; 500 are the short form, half a minute). PYTHON has tiktoken and tokenizers;
# without it they are installed into an environment that is thrown away afterwards. ONLY is a part of a tokenizer's name.
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
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    echo "installing tiktoken and tokenizers into $scratch …" >&2
    python3 -m venv "$scratch/venv"
    if ! "$scratch/venv/bin/pip" install --quiet tiktoken tokenizers; then
        echo "tokenizers.sh: tiktoken and tokenizers cannot be installed; name a PYTHON that has them: tokenizers.sh $count PYTHON" >&2
        exit 1
    fi
    python="$scratch/venv/bin/python"
elif ! "$python" -c 'import tiktoken, tokenizers'; then
    echo "tokenizers.sh: $python lacks tiktoken or tokenizers; see above" >&2
    exit 2
fi
program=${LOOM_RUNNER:-$root/.build/release/runner}
[ -x "$program" ] || swift build -c release --package-path "$root" --product runner >&2
LOOM_RUNNER=$program "$python" "$here/compare_tokenizers.py" "$count" "${3:-}"
