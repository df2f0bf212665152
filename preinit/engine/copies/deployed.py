"""An engine as the hosts of outputs use it: for what is run often, not once."""

from __future__ import annotations

from .. import ffi
from ..runtime import GUEST_STACK, allow_proposals, has_winch


def deployed_engine(compiler: str, interruptible: bool = False) -> ffi.Engine:
    """An engine with its own default settings (code is optimized, copies share pages that they don't write), and with
    every proposal that it has.

    `compiler`: "winch" or "cranelift", also for "auto", as hosts do. `interruptible` code can be stopped.
    """
    config = ffi.Config()
    allow_proposals(config, compiler if compiler == "winch" and has_winch() else "cranelift")
    config.set("epoch_interruption", interruptible)
    ffi.set_stack(config, GUEST_STACK)
    return ffi.Engine(config)
