#!/bin/sh
# venv.sh PYTHON DIRECTORY: make a virtual environment, on Debian also where python3-venv is not there yet.
set -eu
python=$1 directory=$2
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=python3.12 ..." >&2; exit 1; }
"$python" -m venv "$directory" >/dev/null 2>&1 && exit 0
rm -rf "$directory"
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "python3-venv is missing; installing it" >&2
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3-venv >/dev/null
    exec "$python" -m venv "$directory"
fi
echo "$python -m venv does not work; on Debian: apt-get install python3-venv" >&2
exit 1
