"""What goes on beside the guest of a component, and what is known of it by then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...engine.runtime import Pending
from ...files.cache import Name
from ...tuples import NamedTuple
from .validity import Validities


class Beside(NamedTuple):
    """`hollow`: its core modules, see `shell`, by where they begin. `cache`: the folder, where it is used. `checks`:
    what validates the core modules that begin at `checked`. `digests`: the input's, where it is asked for."""

    validities: Validities
    hollow: Mapping[int, bytes]
    cache: Name | None
    checks: Sequence[Pending[None]]
    checked: Sequence[int]
    digests: Sequence[Pending[str]]
