"""WASI 0.2 for components, over the same policy, files, clocks and ledger as preview 1.

https://github.com/WebAssembly/WASI/blob/main/README.md#wasi-02
"""

from .names import Names
from .world import ComponentWorld

__all__ = ["ComponentWorld", "Names"]
