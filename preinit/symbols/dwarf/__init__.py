"""DWARF, as far as it says where variables lie: https://dwarfstd.org/doc/DWARF5.pdf, versions 4 and 5.

Compilers leave it in custom sections (https://yurydelendik.github.io/webassembly-dwarf/). It is a convenience for
people, like names: what is damaged gives fewer variables, never an error.
"""

from __future__ import annotations

from .static import Variable, variables

__all__ = ["Variable", "variables"]
