# Sourced by the scripts: makes .venv once, with preinit and its dependencies, those of `preinit serve` too; sets $python.
# With `extra=dev` set before, the test tools too. A change of pyproject.toml makes it anew.
venv="$here/.venv"
python="$venv/bin/python"
extra=${extra:-}
stamp="$venv/preinit-${extra:-run}"
# A finished set-up for the tests serves for running, too.
if [ -z "$extra" ] && [ -e "$venv/preinit-dev" ] && ! [ "$here/pyproject.toml" -nt "$venv/preinit-dev" ]; then
    stamp="$venv/preinit-dev"
fi
if ! [ -e "$stamp" ] || [ "$here/pyproject.toml" -nt "$stamp" ]; then
    base=
    for candidate in ${PYTHON:-} python3 python3.13 python3.12 python3.11 python; do
        if command -v "$candidate" >/dev/null && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            base=$candidate
            break
        fi
    done
    if [ -z "$base" ]; then
        echo "preinit needs Python 3.11 or newer; set PYTHON to one" >&2
        exit 1
    fi
    echo "setting up $venv (once)" >&2
    [ -x "$python" ] || "$base" -m venv "$venv" >&2
    "$python" -m pip install --quiet --disable-pip-version-check -e "$here[${extra:-serve}]" \
        --config-settings editable_mode=compat >&2
    "$python" -m compileall -q "$here/preinit" >&2 || true
    touch "$stamp"
fi
