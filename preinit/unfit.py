"""Errors of what a user named: options that do not fit the module, files that can't be read."""

from __future__ import annotations

from .errors import InputError, UsageError


class Misfit(UsageError):
    """Options that do not fit this module: only reading it shows that, so it is no wrong usage of the command."""

    code = "misfit"
    exit_code = 1


class Unreadable(InputError):
    """A file that the user named can't be read. Its name is wrong, as an option may be."""

    exit_code = 2
