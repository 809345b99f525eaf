#!/bin/sh
# Prints a Python of at least 3.11.1 that runs, preferring one that can make virtual environments by itself.
# A name on the PATH proves nothing: pyenv, for one, leaves launchers of versions that are not installed.
set -eu

candidates="${PYTHON:-python3.13 python3.12 python3.11 python3 python}"
recent='import sys; sys.exit(sys.version_info < (3, 11, 1))'
complete='import ensurepip, venv'

for check in "$recent
$complete" "$recent"; do
    for name in $candidates; do
        if "$name" -c "$check" >/dev/null 2>&1; then
            "$name" -c "import sys; print(sys.executable)"
            exit 0
        fi
    done
done

echo "No Python 3.11.1 or newer was found (tried: $candidates): install one, for example with" \
    "'sudo apt-get install python3' or 'brew install python', or name it: make setup PYTHON=/path/to/python3." >&2
exit 1
