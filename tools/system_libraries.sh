#!/bin/sh
# Installs what Qt, OpenGL and a virtual screen need from Debian or Ubuntu, where it is missing.
#   system_libraries.sh PYTHON
# It never stops the set-up: without the right to install it prints the one line to run, and everything
# that opens no window works all the same.
set -eu

python="$1"
PATH="$PATH:/usr/sbin:/sbin"

# What proves that it is there (a library, a command or a package), and the package that brings it.
list() {
    cat <<'LIST'
lib libEGL.so.1 libegl1
lib libGL.so.1 libgl1
lib libOpenGL.so.0 libopengl0
lib libX11-xcb.so.1 libx11-xcb1
lib libdbus-1.so.3 libdbus-1-3
lib libfontconfig.so.1 libfontconfig1
lib libglib-2.0.so.0 libglib2.0-0
lib libxkbcommon.so.0 libxkbcommon0
lib libxkbcommon-x11.so.0 libxkbcommon-x11-0
lib libxcb-cursor.so.0 libxcb-cursor0
lib libxcb-icccm.so.4 libxcb-icccm4
lib libxcb-image.so.0 libxcb-image0
lib libxcb-keysyms.so.1 libxcb-keysyms1
lib libxcb-randr.so.0 libxcb-randr0
lib libxcb-render-util.so.0 libxcb-render-util0
lib libxcb-shape.so.0 libxcb-shape0
lib libxcb-xkb.so.1 libxcb-xkb1
cmd xvfb-run xvfb
cmd xauth xauth
pkg - libgl1-mesa-dri
pkg - fonts-dejavu-core
LIST
}

present() { # kind probe package
    case "$1" in
    lib) printf '%s\n' "$libraries" | grep -qF "$2 " ;;
    cmd) command -v "$2" >/dev/null ;;
    pkg) dpkg-query -W -f '${Status}' "$3" 2>/dev/null | grep -q 'install ok installed' ;;
    esac
}

missing_packages() {
    list | while read -r kind probe package; do
        present "$kind" "$probe" "$package" || printf '%s ' "$package"
    done
    "$python" -c 'import ensurepip' 2>/dev/null ||
        "$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])'
}

if [ "$(uname -s)" != Linux ]; then
    echo "System libraries: $(uname -s) brings what Qt needs; nothing to install."
    exit 0
fi
if ! command -v apt-get >/dev/null; then
    echo "System libraries: this is neither Debian nor Ubuntu; if a window does not open, install EGL, OpenGL," \
        "xkbcommon-x11 and the xcb-util libraries of your system, and Xvfb for the tests."
    exit 0
fi

libraries="$(ldconfig -p)"
missing="$(missing_packages | xargs)"
if [ -z "$missing" ]; then
    echo "System libraries: everything Qt needs is installed."
    exit 0
fi

install="apt-get install -y --no-install-recommends $missing"
if [ "$(id -u)" -eq 0 ]; then
    as_root=""
elif command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
    as_root="sudo"
else
    as_root="refused"
fi

echo "System libraries: missing $missing"
if [ "$as_root" != refused ] &&
    $as_root env DEBIAN_FRONTEND=noninteractive sh -c "apt-get update -qq && $install" </dev/null; then
    echo "System libraries: installed."
else
    echo "System libraries: they could not be installed here. The command line works without them; for the" \
        "window and the whole test-suite run:  sudo apt-get update && sudo $install"
fi
