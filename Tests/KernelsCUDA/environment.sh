#!/usr/bin/env bash
# Prints the path of a python that has NVRTC, CUDA's run-time compiler: Tests/KernelsCUDA/environment.sh
#
# It is installed once, into a folder of the user's cache that is named for the version. Exit status 75, and one line that says why,
# where it cannot be had within LOOM_INSTALL_SECONDS (300): without a network there is nothing to check with, and that is no
# failure of ours.
set -euo pipefail
package=nvidia-cuda-nvrtc==${LOOM_NVRTC_VERSION:-13.5.37}
seconds=${LOOM_INSTALL_SECONDS:-300}

unavailable() { printf '%s\n' "$*" >&2; exit 75; }
works() { [ -x "$1/bin/python" ] && "$1/bin/python" -c 'import nvidia' 2>/dev/null; }

[ "$(uname -s)" = Linux ] || unavailable "NVRTC is for Linux here"
command -v python3 >/dev/null || unavailable "python3 is not here"
version=$(python3 -c 'import platform, sys; print(platform.machine(), *sys.version_info[:2], sep="-")')
cache="${XDG_CACHE_HOME:-${HOME:-/nowhere}/.cache}/loom/python"
place="$cache/$version-${package//==/-}"
if works "$place"; then
    printf '%s\n' "$place/bin/python"
    exit 0
fi

partial="$place.partial-$$"
trap 'rm -rf "$partial"' EXIT
mkdir -p "$cache" 2>/dev/null || unavailable "$cache cannot be made"
python3 -m venv "$partial" >/dev/null 2>&1 || unavailable "python3 has no venv here (on Debian: apt-get install python3-venv)"
printf 'installing %s into %s, within %s s …\n' "$package" "$cache" "$seconds" >&2
status=0
output=$(timeout "$seconds" "$partial/bin/python" -m pip --disable-pip-version-check install --quiet --no-compile --retries 1 \
    "$package" 2>&1) || status=$?
case $status in
0) ;;
124) unavailable "installing $package did not end within $seconds s" ;;
*) unavailable "installing $package failed: $(grep -m 1 -i '^error' <<<"$output" || tail -n 1 <<<"$output")" ;;
esac
works "$partial" || unavailable "$package cannot be imported"
# Whole or not there; of two that install at once, the second finds the first's.
works "$place" || rm -rf "$place"
python3 -c 'import os, sys; os.rename(*sys.argv[1:])' "$partial" "$place" 2>/dev/null || works "$place" ||
    unavailable "$place cannot be made"
printf '%s\n' "$place/bin/python"
