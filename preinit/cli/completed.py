"""Values that shells complete: names of files and folders."""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem


class File(click.ParamType[str]):
    """The name of a file, which shells complete; it is looked for later, by what reads or writes it."""

    name = "file"
    #: What shells are told to complete.
    completed = "file"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return [CompletionItem(incomplete, type=self.completed)]


class Folder(File):
    """The same of a folder."""

    name = "folder"
    completed = "dir"
