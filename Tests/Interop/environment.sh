#!/usr/bin/env bash
# Prints the path of a python that has the reference implementations of weights or of tokenizers, or NVIDIA's run-time compiler:
#   Tests/Interop/environment.sh weights|tokenizers|nvrtc
#
# They are installed once, into a folder of the user's cache that is named for the versions: the second check begins at once.
# Exit status 75, and one line that says why, where they cannot be had within LOOM_INSTALL_SECONDS (300): without a network
# there is nothing to check with, and that is no failure of ours.
set -euo pipefail

# A release of torch is named, not the newest one: where pip knows of a build without CUDA it takes that, which is a
# fourteenth of the download.
case ${1:-} in
weights) packages=(torch==2.13.0 transformers==5.23.0 safetensors==0.8.0) ;;
tokenizers) packages=(tiktoken==0.14.0 tokenizers==0.23.3) ;;
# LOOM_NVRTC names another, such as nvidia-cuda-nvrtc-cu12==12.9.86.
nvrtc) packages=("${LOOM_NVRTC:-nvidia-cuda-nvrtc==13.5.37}") ;;
*) echo "usage: environment.sh weights|tokenizers|nvrtc" >&2; exit 2 ;;
esac
seconds=${LOOM_INSTALL_SECONDS:-300}

unavailable() { printf '%s\n' "$*" >&2; exit 75; }
works() { [ -x "$1/bin/python" ] && "$1/bin/python" -c '' 2>/dev/null; }

command -v python3 >/dev/null || unavailable "python3 is not here"
version=$(python3 -c 'import platform, sys; print(platform.machine(), *sys.version_info[:2], sep="-")')
cache="${XDG_CACHE_HOME:-${HOME:-/nowhere}/.cache}/loom/python"
place="$cache/$version$(printf -- '-%s' "${packages[@]//==/-}")"
if works "$place"; then
    printf '%s\n' "$place/bin/python"
    exit 0
fi

partial="$place.partial-$$"
trap 'rm -rf "$partial"' EXIT
mkdir -p "$cache" 2>/dev/null || unavailable "$cache cannot be made"
python3 -m venv "$partial" >/dev/null 2>&1 || unavailable "python3 has no venv here (on Debian: apt-get install python3-venv)"
printf 'installing %s into %s, within %s s …\n' "${packages[*]}" "$cache" "$seconds" >&2
# Not every system has the command timeout. What nobody imports need not be compiled.
status=0
output=$(python3 -c '
import subprocess, sys
try:
    sys.exit(subprocess.run(sys.argv[2:], timeout=float(sys.argv[1])).returncode)
except subprocess.TimeoutExpired:
    sys.exit(124)' "$seconds" "$partial/bin/python" -m pip --disable-pip-version-check install --quiet --no-compile --retries 1 \
    "${packages[@]}" 2>&1) || status=$?
case $status in
0) ;;
124) unavailable "installing ${packages[*]} did not end within $seconds s" ;;
*) unavailable "installing ${packages[*]} failed: $(grep -m 1 -i '^error' <<<"$output" || tail -n 1 <<<"$output")" ;;
esac
imports=$(IFS=,; printf 'import %s' "${packages[*]%%==*}")
[ "$1" != nvrtc ] || imports="import nvidia"
output=$("$partial/bin/python" -c "$imports" 2>&1) || unavailable "${packages[*]} cannot be imported: $(tail -n 1 <<<"$output")"
# Whole or not there; of two that install at once, the second finds the first's.
works "$place" || rm -rf "$place"
python3 -c 'import os, sys; os.rename(*sys.argv[1:])' "$partial" "$place" 2>/dev/null || works "$place" ||
    unavailable "$place cannot be made"
printf '%s\n' "$place/bin/python"
