#!/usr/bin/env bash
# Packs everything that proves the CUDA backend into one archive, for a machine with an NVIDIA GPU that has neither Swift nor a network:
#   scripts/gpu-bundle.sh OUT.tar.xz        on Linux; ten to twenty minutes the first time
# There:
#   tar xf OUT.tar.xz && loom-gpu/gpu-check.sh        (gpu-check.sh --help says what else)
#
# The program is linked with Swift's library in it. Swift's testing library exists as a shared one alone, so the test program of the
# tensor operations goes with the shared libraries it needs. OpenBLAS goes along for both. LOOM_BUNDLE_BUILD names the folder to
# build in (.build-gpu-bundle).
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=setup.sh
source "$root/scripts/setup.sh"
[ $# = 1 ] && [[ $1 == *.tar.xz ]] || fail "usage: $0 OUT.tar.xz"
[ "$(uname -s)" = Linux ] || fail "the bundle is for Linux, and built on it"
require_swift
require_openblas
for tool in clang ldd tar xz strip; do command -v "$tool" >/dev/null || fail "$tool is not here"; done
mkdir -p "$(dirname "$1")"
out=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
build=${LOOM_BUNDLE_BUILD:-"$root/.build-gpu-bundle"}
mkdir -p "$build/program" "$build/tests"
build=$(cd "$build" && pwd -P)
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
bundle=$place/loom-gpu
mkdir -p "$bundle/bin" "$bundle/lib" "$bundle/Sources/Autograd/CUDA" "$bundle/Tests/SoftwareGPU" "$bundle/Tests/Fixtures"

quietly() {  # WHAT COMMAND…: its output only where it fails
    say "building $1 …"
    shift
    "$@" > "$build/log" 2>&1 || { tail -40 "$build/log" >&2; fail "that failed; the whole of it is in $build/log"; }
}

# Foundation's networking wants libcurl, whose static form few machines have. There is no network where the bundle goes: its functions
# are made here, and each says that it failed.
{
    for name in easy_cleanup easy_getinfo easy_pause easy_setopt free global_init multi_add_handle multi_assign multi_cleanup \
        multi_remove_handle multi_setopt multi_socket_action slist_free_all url_get url_set; do
        echo "int curl_$name(void) { return 2; }"
    done
    for name in easy_init multi_info_read multi_init slist_append url version_info; do
        echo "void *curl_$name(void) { return 0; }"
    done
    for name in easy_strerror version; do echo "const char *curl_$name(void) { return \"no network in this build\"; }"; done
} > "$build/no-curl.c"
clang -w -fno-builtin -c "$build/no-curl.c" -o "$build/no-curl.o"
# An empty library, for the linker to find under the name that is asked for.
mkdir -p "$build/lib"
printf '!<arch>\n' > "$build/lib/libcurl.a"
export LIBRARY_PATH="$build/lib${LIBRARY_PATH:+:$LIBRARY_PATH}"
quietly "the program" swift build -c release --static-swift-stdlib -Xlinker "$build/no-curl.o" --product runner \
    --package-path "$root" --scratch-path "$(readlink -f "$build/program")"
# The operations' tests alone, as a package of three targets: the whole package's take far longer.
mkdir -p "$build/tests/Sources" "$build/tests/Tests"
for target in Kernels Autograd OpenBLAS; do ln -sfn "$root/Sources/$target" "$build/tests/Sources/$target"; done
ln -sfn "$root/Tests/AutogradTests" "$build/tests/Tests/AutogradTests"
cat > "$build/tests/Package.swift" <<'SWIFT'
// swift-tools-version: 6.0
import PackageDescription

let package = Package(
    name: "loom",
    targets: [
        .systemLibrary(name: "OpenBLAS", pkgConfig: "openblas"), .target(name: "Kernels"),
        .target(name: "Autograd", dependencies: ["Kernels", "OpenBLAS"]),
        .testTarget(name: "AutogradTests", dependencies: ["Autograd", "Kernels"]),
    ],
    swiftLanguageModes: [.v6]
)
SWIFT
quietly "the tests" swift build -c release --build-tests --package-path "$(readlink -f "$build/tests")"

cp "$build/program/release/runner" "$bundle/bin/runner"
cp "$build/tests/.build/release/loomPackageTests.xctest" "$bundle/bin/operation-tests"
# What every Linux has stays out: the C and C++ libraries, the loader.
for program in runner operation-tests; do
    ldd "$bundle/bin/$program" | awk '$2 == "=>" && $3 ~ /^\// { print $3 }'
done | sort -u | while read -r library; do
    case $(basename "$library") in
    libc.so.* | libm.so.* | libdl.so.* | libpthread.so.* | librt.so.* | libutil.so.* | libresolv.so.* | libgcc_s.so.* | libstdc++.so.* | ld-linux*) ;;
    *) cp -L "$library" "$bundle/lib/" ;;
    esac
done
strip "$bundle"/bin/* "$bundle"/lib/* 2>/dev/null || true

cat > "$bundle/runner" <<'SH'
#!/bin/sh
# The program, with OpenBLAS from beside it.
here=$(cd "$(dirname "$0")" && pwd)
LD_LIBRARY_PATH="$here/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" exec "$here/bin/runner" "$@"
SH
chmod +x "$bundle/runner"
cp "$root/scripts/gpu-check.sh" "$bundle/gpu-check.sh"
cp -R "$root/configs" "$root/benchmarks" "$bundle/"
cp -R "$root/Tests/KernelsCUDA" "$bundle/Tests/"
cp "$root/Tests/SoftwareGPU/train.py" "$bundle/Tests/SoftwareGPU/"
cp -R "$root/Sources/Autograd/CUDA/Kernels" "$root/Sources/Autograd/CUDA/CUDASource.swift" "$bundle/Sources/Autograd/CUDA/"
find "$bundle" -name __pycache__ -prune -exec rm -rf {} +
{
    echo "commit $(git -C "$root" rev-parse HEAD 2>/dev/null || echo unknown)"
    [ -z "$(git -C "$root" status --porcelain 2>/dev/null)" ] || echo "with changes that are not committed"
    swift --version 2>/dev/null | head -1
} > "$bundle/VERSION"
XZ_OPT=-T0 tar -C "$place" -cJf "$out" loom-gpu
say "$out: $(($(wc -c < "$out") / 1000000)) MB"
