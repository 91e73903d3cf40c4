# Sourced by quickstart and test: the compiler, the virtual environment, the package built and installed in it.
# Everything stays in .venv and build/, but for what the system's package manager is asked to install.

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1

say() { printf '\n== %s\n' "$*"; }
fail() { printf '\n%s\n' "$*" >&2; exit 1; }

# Run a command as root, where that can be done without asking.
as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
        sudo -n "$@"
    else
        return 1
    fi
}

apt_updated=
apt_install() {
    command -v apt-get >/dev/null || return 1
    [ -n "$apt_updated" ] || as_root apt-get update -qq >/dev/null 2>&1 || return 1
    apt_updated=yes
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$@" >/dev/null 2>&1
}

ensure_compilers() {
    command -v cc >/dev/null || command -v gcc >/dev/null || apt_install gcc ||
        fail "A C compiler is needed: install gcc or clang, then run this again."
    command -v gfortran >/dev/null && return
    say "installing gfortran"
    apt_install gfortran ||
        { command -v dnf >/dev/null && as_root dnf install -y -q gcc-gfortran; } ||
        { command -v brew >/dev/null && brew install --quiet gcc; } ||
        { command -v conda >/dev/null && conda install -y -q -c conda-forge gfortran; } ||
        fail "gfortran is needed, and could not be installed from here. Install it (Debian, Ubuntu: apt install
gfortran; Fedora: dnf install gcc-gfortran; macOS: brew install gcc), then run this again."
}

is_recent() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python() {
    local candidate
    for candidate in ${PYTHON:-} python3 python3.14 python3.13 python3.12 python3.11; do
        command -v "$candidate" >/dev/null && is_recent "$candidate" && echo "$candidate" && return
    done
    fail "Python 3.11 or newer is needed; set PYTHON to it, then run this again."
}

ensure_venv() {
    [ -x .venv/bin/python ] && return
    local python
    python=$(find_python) || exit 1
    say "making .venv with $("$python" --version)"
    if ! "$python" -m venv .venv >/dev/null 2>&1; then
        rm -rf .venv
        apt_install python3-venv && "$python" -m venv .venv ||
            fail "$python has no venv module: install it (Debian, Ubuntu: apt install python3-venv), then run this again."
    fi
    .venv/bin/python -c 'import sysconfig, pathlib, sys
sys.exit(not pathlib.Path(sysconfig.get_path("include"), "Python.h").exists())' || apt_install python3-dev ||
        fail "Python's headers are needed: install them (Debian, Ubuntu: apt install python3-dev), then run this again."
    .venv/bin/python -m pip install --quiet --upgrade 'pip>=25.1'
    .venv/bin/python -m pip install --quiet --group build
}

# What the wheel is made of, and with, as one number.
fingerprint() {
    {
        find minpack src meson.build meson.options pyproject.toml LICENSE -type f -not -name '*.pyc' -print0 |
            sort -z | xargs -0 cat
        .venv/bin/python -VV
        gfortran --version
    } | cksum
}

ensure_package() {
    local now
    now=$(fingerprint)
    [ "$now" = "$(cat .venv/built-from 2>/dev/null)" ] && return
    say "building and installing pyminpack"
    rm -rf build/dist
    .venv/bin/python -m pip wheel --quiet --no-deps --no-build-isolation -Cbuild-dir=build/wheel -w build/dist . ||
        fail "The build failed; its log is above."
    .venv/bin/python -m pip install --quiet --no-deps --force-reinstall build/dist/*.whl
    echo "$now" >.venv/built-from
}

export PATH="$PWD/.venv/bin:$PATH" # meson finds ninja, and the build this environment's NumPy
ensure_compilers
ensure_venv
ensure_package
