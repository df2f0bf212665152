"""Having the next command start sooner."""

from __future__ import annotations

from contextlib import suppress

from ..bytecode import in_use


def keep_bytecode() -> None:
    """Writes the file that commands start from, where this one imported what it lacks: once after an installation."""
    bytecode = in_use()
    if bytecode is None or not bytecode.is_old():
        return
    with suppress(Exception, KeyboardInterrupt):  # all else is done, and this only saves time
        from ..files.bytecode import keep

        keep(bytecode)
