"""What a build says about a component, in addition to what it says about any module."""

from __future__ import annotations

from ..errors import Frame
from ..records import Value, value


@value
class CoreInstanceFacts(Value):
    """A core instance of a component, in the order in which they are made.

    `module`: the number of its core module in the input. `output_module`: bytes of the module that it has in the
    output. `state`: "written": that holds the state; "unchanged": it has none of its own; "pristine": it starts again
    in each instance, as it keeps handles that only the build had.
    """

    module: int
    state: str
    input_module: int
    output_module: int


@value
class HandleFacts(Value):
    """A handle that was alive at the end, and that no instance has: the resource's name, the guest's backtrace when it
    was made, innermost frame first."""

    resource: str
    made_in: tuple[Frame, ...]


@value
class ComponentFacts(Value):
    """A component: its core instances; `table_entries`: entries of shared tables that a module of its own puts there;
    `removed`: exports that were run and are gone; `handles`: those that are alive in memory that was written."""

    instances: tuple[CoreInstanceFacts, ...]
    table_entries: int
    removed: tuple[str, ...]
    handles: tuple[HandleFacts, ...]
