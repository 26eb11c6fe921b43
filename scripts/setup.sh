# What ./runner and ./test share: finding Swift and OpenBLAS, and building. Sourced, not run.

say() { printf '%s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

require_swift() {
    command -v swift >/dev/null && return
    fail "Swift is missing: Loom needs Swift 6 or newer. Get it from https://www.swift.org/install and put its bin folder on PATH."
}

# install COMMAND …: installs OpenBLAS as root, asking for a password only when one is needed.
install() {
    if [ "$(id -u)" = 0 ]; then "$@" >&2
    elif command -v sudo >/dev/null; then sudo "$@" >&2
    else fail "Installing OpenBLAS needs root, and there is no sudo here. As root, run: $* ; then try again."
    fi
}

has_openblas() {
    # Homebrew keeps it out of the usual places.
    if [ "$(uname -s)" = Darwin ] && command -v brew >/dev/null && brew --prefix openblas >/dev/null 2>&1; then
        export PKG_CONFIG_PATH="$(brew --prefix openblas)/lib/pkgconfig:${PKG_CONFIG_PATH:-}"
    fi
    if command -v pkg-config >/dev/null && pkg-config --exists openblas; then return 0; fi
    # Without pkg-config: the linker finds it, or it does not. Swift brings a clang where there is no other compiler.
    local compiler
    for compiler in cc clang; do
        command -v "$compiler" >/dev/null || continue
        printf 'void openblas_set_num_threads(int); int main(void) { openblas_set_num_threads(1); }' |
            "$compiler" -x c - -lopenblas -o /dev/null 2>/dev/null && return 0
    done
    return 1
}

require_openblas() {
    has_openblas && return
    case "$(uname -s)" in
    Darwin)
        command -v brew >/dev/null || fail "OpenBLAS is missing. Install Homebrew (https://brew.sh), then: brew install openblas"
        say "OpenBLAS is missing; installing it: brew install openblas"
        brew install openblas >&2
        ;;
    *)
        say "OpenBLAS is missing; installing it."
        if command -v apt-get >/dev/null; then
            # An old list of packages may name versions that are gone; a failure here is not yet one of the installation.
            if [ "$(id -u)" = 0 ]; then apt-get update -qq >&2 || true
            elif command -v sudo >/dev/null; then sudo apt-get update -qq >&2 || true
            fi
            install env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq libopenblas-dev
        elif command -v dnf >/dev/null; then
            install dnf install -y -q openblas-devel
        elif command -v pacman >/dev/null; then
            install pacman -S --noconfirm openblas
        else
            fail "OpenBLAS is missing. Install its development package (on Debian libopenblas-dev), then try again."
        fi
        ;;
    esac
    has_openblas || fail "OpenBLAS was installed, but the linker does not find it; is pkg-config looking elsewhere?"
}

# is_stale PROGRAM ROOT: whether a source is newer than the program.
is_stale() {
    [ -x "$1" ] || return 0
    [ -n "$(find "$2/Sources" "$2/Package.swift" -newer "$1" -print -quit)" ]
}

# build ROOT ARGUMENTS…: builds in release, one line of progress, everything only when it fails.
build() {
    local root=$1 log status=0 program="$1/.build/release/runner" begun
    shift
    log=$(mktemp)
    begun=$(mktemp)
    say "building (the first time takes a few minutes) …"
    if [ -t 2 ]; then
        swift build -c release --package-path "$root" "$@" 2>&1 | tee "$log" |
            while IFS= read -r line; do printf '\r\033[K%.100s' "$line" >&2; done || status=$?
        printf '\r\033[K' >&2
    else
        swift build -c release --package-path "$root" "$@" >"$log" 2>&1 || status=$?
    fi
    if [ "$status" != 0 ]; then
        cat "$log" >&2
        rm -f "$log" "$begun"
        fail "the build failed; see above"
    fi
    # The package manager leaves an unchanged program as it is; its date must not say stale for ever. The time the build
    # began, not the time now: a source saved meanwhile is newer.
    [ ! -e "$program" ] || touch -r "$begun" "$program"
    rm -f "$log" "$begun"
}
