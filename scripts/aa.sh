#!/usr/bin/env bash
# The A/A check of `runner compare`: one config under two names, with other seeds, compared again and again. There is no
# difference to find, so about one comparison in twenty may call one significant at 5 %, and not more.
#   scripts/aa.sh [PAIRS [SEEDS]]      40 pairs of groups of 5 seeds; a few minutes on two cores
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
pairs=${1:-40} seeds=${2:-5}
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT

# A task of a fraction of a second, whose losses still vary with the seed.
cat > "$place/a.json" <<'JSON'
{"model": {"context": 16, "layers": 1, "width": 16, "attention": {"heads": 2}, "mlp": {"type": "gelu", "expansion": 2}},
 "optimizer": {"lr": 0.01}, "schedule": {"type": "constant", "warmup": 5},
 "data": {"source": "stories", "characters": 50000, "tokenizer": "byte"},
 "train": {"steps": 60, "batch": 8, "eval_interval": 60, "eval_batches": 1, "log_interval": 60}}
JSON

significant=0
for pair in $(seq 1 "$pairs"); do
    # Every group has seeds that no other has.
    first=$((pair * 2 * seeds))
    printf '{"extends": "a.json", "train": {"seed": %d}}\n' "$first" > "$place/one.json"
    printf '{"extends": "a.json", "train": {"seed": %d}}\n' "$((first + seeds))" > "$place/other.json"
    "$root/runner" compare "$place/one.json" "$place/other.json" --seeds "$seeds" --jobs "$(($(nproc 2>/dev/null || echo 2) > 1 ? 2 : 1))" \
        --out "$place/$pair" > /dev/null
    p=$(awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == "p_value") column = i } NR > 1 && $column != "" { print $column }' \
        "$place/$pair/results.csv")
    echo "$p" >> "$place/p-values"
    if awk -v p="$p" 'BEGIN { exit !(p < 0.05) }'; then significant=$((significant + 1)); fi
    [ ! -t 2 ] || printf '\r%d of %d, %d significant' "$pair" "$pairs" "$significant" >&2
done
[ ! -t 2 ] || printf '\r\033[K' >&2
echo "$significant of $pairs comparisons of $seeds seeds called significant at 5 %; expected about $(awk "BEGIN { print $pairs * 0.05 }")"
# If nothing is wrong, p-values are spread evenly.
sort -g "$place/p-values" | awk '{ p[NR] = $1 } END { printf "p-values: smallest %.3f, a quarter below %.3f, half below %.3f, largest %.3f\n", p[1], p[int((NR + 3) / 4)], p[int((NR + 1) / 2)], p[NR] }'
