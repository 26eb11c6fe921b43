#!/usr/bin/env bash
# Renders a report in a headless Chromium at a desk's and a phone's width, and fails where the browser complains on its
# console, something asks for the network, or the page is wider than the screen.
#   scripts/check-report.sh [REPORT.html]      by default the report of a tiny comparison, trained for it
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=setup.sh
source "$root/scripts/setup.sh"

browser=""
for name in chromium chromium-browser google-chrome google-chrome-stable; do
    if command -v "$name" >/dev/null; then browser=$name; break; fi
done
if [ -z "$browser" ]; then
    say "report in a browser: skipped, no Chromium here (on Debian: apt-get install chromium)"
    exit 0
fi
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT

if [ $# -gt 0 ]; then
    page=$1
else
    cat > "$place/plain.json" <<'JSON'
{"model": {"context": 16, "layers": 1, "width": 16, "attention": {"heads": 2}, "mlp": {"type": "gelu", "expansion": 2}},
 "optimizer": {"lr": 0.01}, "schedule": {"type": "constant", "warmup": 5},
 "data": {"source": "stories", "characters": 50000, "tokenizer": "byte"},
 "train": {"steps": 60, "batch": 8, "eval_interval": 10, "eval_batches": 1, "log_interval": 5}}
JSON
    # A name that would be markup if it were not escaped, and a run that fails.
    printf '%s\n' '{"extends": "plain.json", "name": "<img src=x onerror=alert(1)> & \"gated\"", "model": {"mlp": "swiglu"}}' > "$place/gated.json"
    printf '%s\n' '{"extends": "plain.json", "name": "wild", "optimizer": {"lr": 1e38}}' > "$place/wild.json"
    runner=${RUNNER:-$root/.build/release/runner}
    [ -x "$runner" ] || fail "there is no $runner; build it first: swift build -c release --product runner"
    status=0
    "$runner" compare "$place/plain.json" "$place/gated.json" "$place/wild.json" --seeds 2 --threads 1 --out "$place/comparison" \
        >/dev/null 2>"$place/said" || status=$?
    if [ "$status" != 1 ] || ! grep -q "2 of 6 runs of .* failed" "$place/said"; then fail "compare with a failing run: $(cat "$place/said")"; fi
    "$runner" report "$place/comparison" --threads 1 >/dev/null
    page=$place/comparison/report.html
fi

# A copy that looks at itself: chooses every axis and view, and says where it is too wide or shows other than one chart.
probe='<script>addEventListener("load", function () {
  var inputs = document.querySelectorAll("#curve-choice input");
  inputs.forEach(function (input) {
    input.click();
    var shown = document.querySelectorAll("figure[data-axis]:not([hidden])").length;
    if (shown < 1 || shown > 2) console.error(shown + " curves shown for " + input.value);
  });
  var chart = document.querySelector("figure[data-axis]:not([hidden]) svg");
  if (chart) {
    chart.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowLeft" }));
    var said = chart.parentElement.querySelector(".readout").textContent;
    if (!/ [0-9.]+$/.test(said)) console.error("values are not read out: " + said);
  }
  document.querySelectorAll("section, figure, svg, h1, .card").forEach(function (part) {
    var box = part.getBoundingClientRect();
    if (box.right > innerWidth + 1) console.error((part.id || part.tagName) + " reaches " + box.right + " of " + innerWidth);
  });
  if (document.documentElement.scrollWidth > innerWidth) console.error("wider than the screen: " + document.documentElement.scrollWidth + " of " + innerWidth);
  console.log("PROBED " + innerWidth + " with " + inputs.length + " buttons");
});</script>'
awk -v probe="$probe" '{ sub(/<\/body>/, ""); print } END { print probe }' "$page" > "$place/probed.html"
# Browsers have a least width; a frame has none.
for width in 360 390 1280; do
    printf '<!DOCTYPE html><link rel="icon" href="data:,"><iframe src="probed.html" style="width:%dpx;height:900px;border:0"></iframe>' "$width" \
        > "$place/frame-$width.html"
    "$browser" --headless --no-sandbox --disable-gpu --no-first-run --user-data-dir="$place/profile" --enable-logging=stderr \
        --window-size=1400,1000 --virtual-time-budget=5000 --dump-dom "file://$place/frame-$width.html" > "$place/dom" 2> "$place/log" ||
        fail "the browser failed: $(tail -3 "$place/log")"
    said=$(grep -o 'CONSOLE.*' "$place/log" | grep -v PROBED || true)
    [ -z "$said" ] || fail "report in a browser, $width pixels: $said"
    grep -q "PROBED $width with [1-9]" "$place/log" || fail "report in a browser, $width pixels: it was not shown, or has no buttons"
done
if grep -Eo '(src|href)="[^#"][^"]*"|url\([^#)][^)]*\)|@import' "$page" | grep -v '"data:'; then
    fail "the report refers to something outside itself"
fi
say "the report renders at 360, 390 and 1280 pixels without a complaint"
