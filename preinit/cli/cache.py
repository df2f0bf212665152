"""`preinit cache`."""

from __future__ import annotations

import os
from pathlib import Path

import click

from ..errors import UsageError, counted
from ..files.cache import VARIABLE, default_folder, examined
from ..files.cache_contents import KINDS, clear, contents
from ..report.units import sized
from .failure import explained, leave
from .manual import Command


@click.command(
    name="cache",
    cls=Command,
    examples=("preinit cache info", "preinit cache clear", "PREINIT_CACHE_DIR=build/cache preinit cache info"),
)
@click.argument("what", metavar="info|clear", type=click.Choice(["info", "clear"]))
@click.option("--debug", is_flag=True, help="Show Python's traceback of an error.")
def command(what: str, debug: bool) -> None:
    """Show what is kept between builds, and where; or remove it.

    Builds that come after `clear` are as slow as a first one; their outputs are the same.
    """
    with explained(debug):
        folder = default_folder()
        if folder is None:
            raise UsageError(f"there is no cache: no home folder is known, and ${VARIABLE} names none")
        if what == "clear":
            _clear(Path(folder))
        else:
            _show(Path(folder))
    leave(0)


def _is_to_be_made(folder: Path) -> bool:
    """Whether nothing is there yet, in a folder: a build would make it."""
    above = next(place for place in (folder, *folder.absolute().parents) if os.path.lexists(place))
    return above != folder and above.is_dir()


def _show(folder: Path) -> None:
    if _is_to_be_made(folder):
        click.echo(f"{folder}: nothing yet")
        return
    click.echo(folder)
    found = examined(folder)
    if found.folder is None:
        click.echo(f"not used: {found.problem}")
        return
    for held in contents(Path(found.folder)):
        click.echo(f"  {KINDS[held.kind]}: {counted(held.files, 'file')}, {sized(held.size)}")


def _clear(folder: Path) -> None:
    if _is_to_be_made(folder):
        click.echo("nothing to remove")
        return
    found = examined(folder)
    if found.folder is None:
        raise UsageError(f"the cache is not used, and nothing was removed: {found.problem}")
    removed = clear(Path(found.folder))
    size = sized(sum(held.size for held in removed))
    click.echo(f"removed {counted(sum(held.files for held in removed), 'file')}, {size}, from {folder}")
