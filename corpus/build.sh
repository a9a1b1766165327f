#!/usr/bin/env bash
# Builds the guests from source.
#
#   corpus/build.sh [--profile PROFILE] [--package PACKAGE]... [rust] [c] [wat] [js] [python]
#       builds these, or all, into target/guests/ (target/guests/PROFILE/ if it is not `release`).
#       Profiles: release, line-tables (the very same, not stripped of its source lines, and made
#       along with it), full (optimised as these are, with all debug information), dev.
#       Packages are folders of corpus/guests/rust; without any, all of them are built.
#   corpus/build.sh --check
#       builds those that are kept in corpus/components/ and corpus/twins/ and says which come out
#       differently.
#   corpus/build.sh --update
#       builds them and puts them there, with their digests.
#
# Rust needs rustup. C needs Debian's clang, lld, wasi-libc and libclang-rt-dev-wasm32; JS needs node
# with npm, Python needs python3 with venv; what else they need is installed below target/.

set -euo pipefail
cd "$(dirname "$0")/.."
root="$PWD"
exec </dev/null

languages=()
packages=()
profile=release
task=build
while [ $# -gt 0 ]; do
    case "$1" in
    --profile)
        profile="${2:?--profile needs a name}"
        shift
        ;;
    --package)
        packages+=("${2:?--package needs a name}")
        shift
        ;;
    --check | --update) task="${1#--}" ;;
    rust | c | wat | js | python) languages+=("$1") ;;
    *)
        sed -n '2,/^$/s/^# \{0,1\}//p' "$0" >&2
        exit 2
        ;;
    esac
    shift
done
case "$profile" in
release) out="$root/target/guests" ;;
line-tables | full | dev) out="$root/target/guests/$profile" ;;
*)
    echo "$profile: not a profile; there are release, line-tables, full and dev" >&2
    exit 2
    ;;
esac
if [ "$task" != build ] && [ "$profile" != release ]; then
    echo "what is kept is built with the profile release" >&2
    exit 2
fi
if [ "${#packages[@]}" = 0 ]; then
    packages=(archivist commands floats handyman keeper ledger messenger mutants office planner resources shop web)
elif [ "$task" != build ]; then
    echo "what is kept is checked and kept as a whole, without --package" >&2
    exit 2
fi
for package in "${packages[@]}"; do
    if [ ! -e "corpus/guests/rust/$package/Cargo.toml" ] || [ "$package" = tools ]; then
        echo "$package: no guest; packages are folders of corpus/guests/rust" >&2
        exit 2
    fi
done
mkdir -p "$out"

# need COMMAND FROM-WHERE
need() {
    if ! command -v "$1" >/dev/null; then
        echo "there is no $1: $2" >&2
        exit 1
    fi
}

# The features of guests that exist in several builds.
mutants=(
    changed-argument other-callee extra-call missing-call swapped-calls
    extra-call-at-end early-stop other-result other-state other-trap
)

regressions=(off-by-one tool-order header float-format time-zone retries)

# Guests that are small enough to be kept prebuilt.
kept=(
    agent archivist calls clocks exit fetch filter floats handyman hello hello-preview1 ledger ledger-v2
    keeper messenger office planner
    mutant-base "${mutants[@]/#/mutant-}"
    oom overflow panic payloads resources
    shop-base "${regressions[@]/#/shop-}"
    sorted spin walk web
    buckets dated dice listing nap race whoami
    async-export async-import stream-import unknown-import
)

# Guests that are also kept not stripped of their source lines.
twins=(mutant-base mutant-changed-argument mutant-other-result)

# What is built may not know where it was built: paths in messages and in debug information get
# prefixes that are the same everywhere.
rust_flags() {
    local flags=("--remap-path-prefix=$root=/theater") sources
    for sources in "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*; do
        flags+=("--remap-path-prefix=$sources=/crates")
    done
    flags+=("--remap-path-prefix=$(rustc --print sysroot)/lib/rustlib/src/rust=/rust")
    # As a profile of cargo's, it would have everything built again that runs while building.
    [ "$profile" != full ] || flags+=("-Cdebuginfo=full")
    local IFS=$'\x1f'
    echo "${flags[*]}"
}

# tool NAME ARGUMENT...: one of those in corpus/guests/rust/tools.
tool() {
    local name="$1"
    shift
    cargo run --quiet --locked --manifest-path corpus/guests/rust/Cargo.toml -p guest-tools --bin "$name" \
        --target-dir "$root/target/guests-build/rust" -- "$@"
}

# keep BUILT NAME: puts what a compiler made where guests belong. What is to be stripped is kept as
# it was as well: that is what the profile line-tables is.
keep() {
    if [ "$profile" = release ]; then
        install -D -m 644 "$1" "$out/line-tables/$2.wasm"
        tool strip "$1" "$out/$2.wasm"
    else
        install -m 644 "$1" "$out/$2.wasm"
    fi
}

build_rust() {
    need rustup "see https://rustup.rs"
    rustup --quiet target add wasm32-wasip1 wasm32-wasip2
    local manifest=(--locked --manifest-path corpus/guests/rust/Cargo.toml)
    cargo fetch --quiet "${manifest[@]}"
    # How cargo calls the profile, and the folder for what comes of it.
    local cargo_profile=release
    built="$root/target/guests-build/rust/wasm32-wasip2/release"
    if [ "$profile" = dev ]; then
        cargo_profile=dev
        built="${built%release}debug"
    fi
    guest_cargo() {
        env -u RUSTFLAGS CARGO_INCREMENTAL=0 CARGO_ENCODED_RUSTFLAGS="$(rust_flags)" \
            cargo build --quiet "${manifest[@]}" --profile "$cargo_profile" \
            --target-dir "$root/target/guests-build/rust" "$@"
    }

    guest_cargo "${packages[@]/#/--package=guest-}" --target wasm32-wasip2
    local package
    for package in "${packages[@]}"; do
        "keep_$package"
    done
}

keep_archivist() {
    keep "$built/guest_archivist.wasm" archivist
}

keep_commands() {
    local name
    for name in corpus/guests/rust/commands/src/bin/*; do
        name="${name##*/}"
        keep "$built/${name%.rs}.wasm" "${name%.rs}"
    done
    # A core module for WASI preview 1, as toolchains made them before there were components.
    guest_cargo -p guest-commands --bin hello --target wasm32-wasip1
    keep "${built/wasip2/wasip1}/hello.wasm" "hello-preview1"
}

keep_floats() {
    keep "$built/guest_floats.wasm" floats
}

keep_handyman() {
    keep "$built/guest_handyman.wasm" handyman
}

keep_ledger() {
    keep "$built/guest_ledger.wasm" ledger
    keep_builds ledger ledger v2
}

keep_keeper() {
    keep "$built/guest_keeper.wasm" keeper
}

keep_office() {
    keep "$built/guest_office.wasm" office
}

keep_planner() {
    keep "$built/guest_planner.wasm" planner
}

keep_messenger() {
    keep "$built/guest_messenger.wasm" messenger
}

keep_web() {
    keep "$built/guest_web.wasm" web
}

keep_mutants() {
    keep "$built/guest_mutants.wasm" mutant-base
    keep_builds mutants mutant "${mutants[@]}"
}

keep_resources() {
    keep "$built/guest_resources.wasm" resources
}

keep_shop() {
    keep "$built/guest_shop.wasm" shop-base
    keep_builds shop shop "${regressions[@]}"
}

# keep_builds PACKAGE NAME FEATURE...: a build of the package for each feature, as NAME-FEATURE.
keep_builds() {
    local package="$1" name="$2" feature
    shift 2
    for feature in "$@"; do
        guest_cargo -p "guest-$package" --features "$feature" --target wasm32-wasip2
        keep "$built/guest_$package.wasm" "$name-$feature"
    done
}

build_c() {
    need clang "it comes with Debian's clang, lld, wasi-libc and libclang-rt-dev-wasm32"
    local options=(-Os -gline-tables-only) built="$root/target/guests-build/sorted.wasm"
    [ "$profile" != dev ] || options=(-O0 -g)
    mkdir -p "${built%/*}"
    clang --target=wasm32-wasi "${options[@]}" -Wall -Wextra -Werror -ffile-prefix-map="$root=/theater" \
        -o "$built" "$root/corpus/guests/c/sorted.c"
    keep "$built" sorted
}

build_wat() {
    tool encode "$out" corpus/guests/wat/*.wat
}

# Another compiler makes other bytes. Only with the one that made the committed guest can it be checked.
c_compiler() {
    if command -v clang >/dev/null; then
        local library
        library="$(dpkg-query --show --showformat='${Version}' wasi-libc 2>/dev/null || echo unknown)"
        echo "$(clang --version | head -n 1), wasi-libc $library"
    else
        echo "no clang"
    fi
}

# Guests that bring the engine of their language along: megabytes, and not kept.
build_js() {
    need npm "it comes with node"
    local folder="$root/target/guests-build/js"
    mkdir -p "$folder"
    if ! cmp -s corpus/guests/js/package-lock.json "$folder/installed.json"; then
        cp corpus/guests/js/package*.json "$folder/"
        # Not `npm ci`: it refuses a lock file without the packages for every other platform.
        (cd "$folder" && npm install --no-audit --no-fund --loglevel=error)
        cp corpus/guests/js/package-lock.json "$folder/installed.json"
    fi
    cp corpus/guests/js/*.js corpus/guests/js/*.mjs "$folder/"
    node "$folder/build.mjs" "$root/corpus/guests/wit" "$out/greeter-js.wasm"
}

build_python() {
    need python3 "it comes with Debian's python3 and python3-venv"
    local folder="$root/target/guests-build/python"
    [ -x "$folder/bin/pip" ] || python3 -m venv "$folder"
    "$folder/bin/pip" install --quiet --disable-pip-version-check -r corpus/guests/python/requirements.txt
    # The program is built from a copy, because compiling it leaves files beside it.
    cp corpus/guests/python/greeter.py "$folder/"
    (cd "$folder" && bin/componentize-py --quiet --wit-path "$root/corpus/guests/wit" --world greeter \
        componentize greeter --output "$out/greeter-python.wasm")
}

build_kept() {
    build_rust
    build_wat
    local needed
    needed="$(cat corpus/components/C-COMPILER 2>/dev/null || c_compiler)"
    if [ "$task" = update ] || [ "$(c_compiler)" = "$needed" ]; then
        build_c
    else
        echo "skipped: sorted.wasm was built by '$needed', and here is '$(c_compiler)'"
        rm -f "$out/sorted.wasm"
    fi
}

check() {
    build_kept
    local name differs=0
    while read -r _ name; do
        if [ ! -e "$out/$name" ]; then
            [ "$name" = sorted.wasm ] && continue
            echo "$name: in DIGESTS, but not built"
            differs=1
        elif ! cmp -s "$out/$name" "corpus/components/$name"; then
            echo "$name: built from source it is $(sha256sum <"$out/$name" | cut -c 1-16)..., kept is" \
                "$(sha256sum <"corpus/components/$name" | cut -c 1-16)..."
            differs=1
        fi
    done <corpus/components/DIGESTS
    for name in "${twins[@]}"; do
        if ! cmp -s "$out/line-tables/$name.wasm" "corpus/twins/$name.wasm"; then
            echo "$name.wasm: with source lines it is not what is kept in corpus/twins"
            differs=1
        fi
    done
    (cd corpus/components && sha256sum --quiet --check DIGESTS) || differs=1
    for name in corpus/components/*.wasm; do
        if ! grep -q "  ${name##*/}\$" corpus/components/DIGESTS; then
            echo "${name##*/}: not in DIGESTS"
            differs=1
        fi
    done
    [ "$differs" = 0 ] && echo "the guests are what is built from their sources"
    return "$differs"
}

update() {
    build_kept
    mkdir -p corpus/components
    rm -f corpus/components/*.wasm
    local name
    for name in "${kept[@]}"; do
        install -m 644 "$out/$name.wasm" corpus/components/
    done
    for name in "${twins[@]}"; do
        install -m 644 "$out/line-tables/$name.wasm" corpus/twins/
    done
    c_compiler >corpus/components/C-COMPILER
    (cd corpus/components && sha256sum -- *.wasm >DIGESTS)
}

case "$task" in
check) check ;;
update) update ;;
build)
    [ "${#languages[@]}" -gt 0 ] || languages=(rust c wat js python)
    for language in "${languages[@]}"; do
        "build_$language"
    done
    ;;
esac
