#!/usr/bin/env bash
# Holds the CUDA backend to what it promises, on a machine with an NVIDIA GPU: gpu-check.sh [--quick] [--out FOLDER] [PART …]
#
# Parts, in this order; all but bench unless some are named:
#   info        nvidia-smi, the driver, what libraries are found
#   kernels     every kernel compiled by this machine's NVRTC for this GPU: registers, spills
#   tests       the tests tagged gpu: every operation against double precision, flash attention, products
#   train       small configs on CPU and GPU side by side, checkpoints moving between them
#   memcheck, racecheck   the tests tagged gpu, fewer, under compute-sanitizer; skipped where there is none
#   bench       benchmarks/cuda.py: the figures, beside PyTorch where python3 has it
# Every part leaves FOLDER/PART.log (by default results/TIME); FOLDER/summary.txt has a line each. Exit status 1 when one failed.
# --quick takes few configs and few steps. LOOM_PART_SECONDS limits a part (1800); LOOM_CUDA_LIBRARIES names where NVRTC and cuBLASLt
# are, otherwise found by python3 and in /usr/local/cuda. It is part of the archive that gpu-bundle.sh makes.
set -uo pipefail
here=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
quick="" out="" parts=()
while [ $# -gt 0 ]; do
    case $1 in
    --quick) quick=1 ;;
    --out) shift; out=${1:?--out needs a folder} ;;
    --help | -h) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0"; exit 0 ;;
    info | kernels | tests | train | memcheck | racecheck | bench) parts+=("$1") ;;
    *) echo "unknown part $1; --help lists them" >&2; exit 2 ;;
    esac
    shift
done
[ ${#parts[@]} -gt 0 ] || parts=(info kernels tests train memcheck racecheck)
[ -x "$here/bin/runner" ] || { echo "there is no $here/bin/runner: run this from the unpacked archive" >&2; exit 2; }
out=${out:-"$here/results/$(date +%Y%m%d-%H%M%S)"}
mkdir -p "$out" && out=$(cd "$out" && pwd) || exit 2
# A home that cannot be written to must not matter.
export HOME=${HOME:-$out} LOOM_CUDA_CACHE=${LOOM_CUDA_CACHE:-"$here/cache"}
export PATH=${PATH:-/usr/local/bin:/usr/bin:/bin}
python=$(command -v "${PYTHON:-python3}" || true)

# The driver's library, where the loader does not know of it.
export LD_LIBRARY_PATH="$here/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
ldconfig=$(command -v ldconfig || echo /sbin/ldconfig)
if ! "$ldconfig" -p 2>/dev/null | grep -q 'libcuda\.so\.1'; then
    for folder in /usr/local/nvidia/lib64 /usr/local/nvidia/lib /usr/lib/wsl/lib; do
        [ -e "$folder/libcuda.so.1" ] && LD_LIBRARY_PATH="$LD_LIBRARY_PATH:$folder"
    done
fi
if [ -z "${LOOM_CUDA_LIBRARIES:-}" ]; then
    [ -z "$python" ] || LOOM_CUDA_LIBRARIES=$("$python" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')
    LOOM_CUDA_LIBRARIES="${LOOM_CUDA_LIBRARIES:+$LOOM_CUDA_LIBRARIES:}/usr/local/cuda"
fi
export LOOM_CUDA_LIBRARIES
sanitizer=""
for candidate in compute-sanitizer /usr/local/cuda/bin/compute-sanitizer /usr/local/cuda/compute-sanitizer/compute-sanitizer \
    /opt/nvidia/*/compute-sanitizer/compute-sanitizer; do
    if command -v "$candidate" >/dev/null; then sanitizer=$(command -v "$candidate"); break; fi
done

failed=0
part() {  # NAME COMMAND…
    local name=$1 start=$SECONDS status=0
    shift
    echo "== $name"
    timeout --kill-after=20 "${LOOM_PART_SECONDS:-1800}" "$@" > "$out/$name.log" 2>&1 || status=$?
    local word
    case $status in
    0) word=passed ;;
    75) word=skipped ;;
    124 | 137) word="FAILED: it took too long" failed=1 ;;
    *) word="FAILED with status $status" failed=1 ;;
    esac
    tail -n 12 "$out/$name.log"
    printf '%-10s %s, %d s\n' "$name" "$word" $((SECONDS - start)) | tee -a "$out/summary.txt"
}

info() {
    cat "$here/VERSION"
    date
    uname -a
    nvidia-smi || echo "no nvidia-smi"
    nvidia-smi -q -d CLOCK,POWER 2>/dev/null | head -60
    echo "LOOM_CUDA_LIBRARIES=$LOOM_CUDA_LIBRARIES"
    echo "LD_LIBRARY_PATH=$LD_LIBRARY_PATH"
    echo "compute-sanitizer: ${sanitizer:-none}"
    [ -z "$python" ] || "$python" -c 'import torch; print("torch", torch.__version__, torch.version.cuda, torch.cuda.is_available())'
    echo "OpenBLAS and GPU as the program finds them:"
    "$here/bin/runner" bench --attention --context 256 --head-dim 64,128 --steps 3 --device cuda
}
kernels() {
    [ -n "$python" ] || { echo "python3 is not here"; return 75; }
    local capability
    capability=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null | head -1 | tr -d '. ')
    [ -n "$capability" ] || { echo "nvidia-smi does not say what this GPU is"; return 75; }
    PYTHON=$python "$here/Tests/KernelsCUDA/compile.sh" "sm_$capability"
}
tests() {  # FILTER COMMAND…
    local filter=$1
    shift
    LOOM_TEST_GPU=1 "$@" "$here/bin/operation-tests" --testing-library swift-testing --filter "$filter" || return $?
}
count_tests() {  # a filter that finds nothing passes: it must not
    tests "$@" 2>&1 | tee "$out/.tests" || return 1
    grep -Eq 'with [1-9][0-9]* test' "$out/.tests" || { echo "no test ran"; return 1; }
}
train() {
    [ -n "$python" ] || { echo "python3 is not here"; return 75; }
    cd "$here" || return 1
    if [ -n "$quick" ]; then "$python" Tests/SoftwareGPU/train.py --real ./runner few 4; else "$python" Tests/SoftwareGPU/train.py --real ./runner; fi
}
sanitize() {  # TOOL FILTER
    [ -n "$sanitizer" ] || { echo "compute-sanitizer is not here"; return 75; }
    count_tests "$2" "$sanitizer" --tool "$1" --error-exitcode 9 --target-processes all --print-limit 20
}
# Forms enough to reach every kernel, few enough for a tool that slows them a hundredfold.
some='GPUTests.*(flashAttention|products|decoding|heads|norms|losses|pointwise|activations|routing|attentionOf)'
memcheck() { sanitize memcheck "$some"; }
racecheck() { sanitize racecheck "$some"; }
bench() {
    [ -n "$python" ] || { echo "python3 is not here"; return 75; }
    cd "$here" || return 1
    "$python" benchmarks/cuda.py --runner ./runner --out "$out/cuda.json" ${quick:+--rounds 1}
}
# `timeout` runs programs, not functions: this script again.
if [ -n "${GPU_CHECK_PART:-}" ]; then
    case $GPU_CHECK_PART in
    tests) if [ -n "$quick" ]; then count_tests 'GPUTests.*(thereIsOne|norms|products)'; else count_tests GPUTests; fi ;;
    *) "$GPU_CHECK_PART" ;;
    esac
    exit $?
fi
for name in "${parts[@]}"; do
    part "$name" env GPU_CHECK_PART="$name" bash "${BASH_SOURCE[0]}" ${quick:+--quick} --out "$out" "$name"
done
rm -f "$out/.tests"
echo "results are in $out"
exit $failed
