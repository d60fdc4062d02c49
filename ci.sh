#!/usr/bin/env bash
# Runs every check: formatting, lints, documentation and all tests.
# Beforehand it installs what the tests need and a fresh Debian machine lacks: a C compiler and a
# software Vulkan driver. Exit codes: 0 all is well, 1 a check failed, 2 something is missing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

say() { printf 'ci.sh: %s\n' "$*" >&2; }

missing() {
    say "$*"
    exit 2
}

as_root() { if ((EUID == 0)); then "$@"; else sudo "$@"; fi; }

# Only a software driver counts: the tests run on it even where there is a GPU, so that every
# machine tests the same thing.
has_software_vulkan() {
    local libraries folder driver
    # Not a pipe: `grep -q` would end it early, which `pipefail` takes for a failure.
    libraries=$(PATH="$PATH:/sbin:/usr/sbin" ldconfig -p 2>/dev/null || true)
    [[ $libraries == *libvulkan.so.1* ]] || return 1
    # Whoever names the drivers by hand is believed.
    [[ -z ${VK_DRIVER_FILES:-}${VK_ICD_FILENAMES:-} ]] || return 0
    for folder in /usr/share /usr/local/share /etc; do
        for driver in "$folder"/vulkan/icd.d/{lvp_icd,vk_swiftshader_icd}*.json; do
            [[ ! -e $driver ]] || return 0
        done
    done
    return 1
}

install_packages() {
    local packages=()
    command -v cc >/dev/null || packages+=(gcc libc6-dev)
    has_software_vulkan || packages+=(mesa-vulkan-drivers libvulkan1)
    ((${#packages[@]} > 0)) || return 0
    if ! command -v apt-get >/dev/null; then
        say "no apt-get here, so nothing is installed; the tests need what Debian calls" \
            "${packages[*]}"
        return 0
    fi
    if ((EUID != 0)) && ! command -v sudo >/dev/null; then
        missing "run as root: apt-get install ${packages[*]}"
    fi
    say "installing ${packages[*]}"
    as_root apt-get update
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install --yes --no-install-recommends "${packages[@]}" ||
        missing "could not install ${packages[*]}"
}

# Mesa's device-selection layer prints an error for every device where there is no desktop.
export NODEVICE_SELECT=1

# The tests talk to servers of their own on this machine, which no proxy reaches.
export NO_PROXY="${NO_PROXY:+$NO_PROXY,}127.0.0.1,localhost"
export no_proxy=$NO_PROXY

times=()

# step NAME COMMAND...: runs the command, notes its wall time, ends the script if it fails.
step() {
    local name=$1 begun=$SECONDS verdict=ok
    shift
    printf '\n== %s: %s\n' "$name" "$*" >&2
    "$@" || verdict=failed
    times+=("$(printf '%-14s %6d s  %s' "$name" $((SECONDS - begun)) "$verdict")")
    [[ $verdict == ok ]] || exit 1
}

summary() {
    ((${#times[@]} > 0)) || return 0
    printf '\n'
    printf '%s\n' "${times[@]}"
}
trap summary EXIT

command -v cargo >/dev/null || missing "cargo not found; hint: install Rust from https://rustup.rs"
for component in rustfmt clippy; do
    "cargo-${component#rust}" --version >/dev/null 2>&1 ||
        rustup component add "$component" ||
        missing "$component not found; hint: install the toolchain's component $component"
done

step packages install_packages
step formatting cargo fmt --all --check
# One profile everywhere, so that the dependencies are checked once and compiled once.
step lints cargo clippy --locked --release --workspace --all-targets -- -D warnings
step documentation env RUSTDOCFLAGS="-D warnings" \
    cargo doc --locked --release --workspace --no-deps
# Only their types: the SPIR-V that the first makes crashes Mesa 22's software driver, the second runs
# on macOS alone, and tuning on a software driver takes minutes for every shape.
step "GPU features" cargo check --locked --release -p train -p eval \
    --features train/vulkan,train/metal,train/autotune
step tests cargo test --locked --release --workspace
# The programs as they are without their only feature, which reads shards behind URLs.
step "no network" cargo test --locked --release --no-default-features \
    -p shard_store -p shard --lib --bins --test it
