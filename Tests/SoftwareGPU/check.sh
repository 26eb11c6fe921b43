#!/usr/bin/env bash
# Builds the software GPU and checks it: Tests/SoftwareGPU/check.sh [FOLDER TO BUILD IN]
# Exit status 75 where clang is missing or this is not Linux.
set -euo pipefail
here=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
folder=${1:-"$here/../../.build/software-gpu"}
"$here/build.sh" "$folder"
clang++ -std=c++17 -O1 -Wall -Wextra -Werror -Wno-cast-function-type "$here/check.cpp" -o "$folder/check" -ldl -lpthread
"$folder/check" "$folder"
