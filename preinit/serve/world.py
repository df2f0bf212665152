"""What a served module says, and shows, of the world that its instances bring."""

from __future__ import annotations

from ..binary.cursor import Cursor
from ..binary.late import late_facts
from ..binary.module import Module
from ..errors import InputError, printable
from ..host.guest import Guest
from ..host.imports import wasi_parameters
from ..host.wasi1.abi import MODULE
from .settings import Settings

#: The tool that wrote an output: https://github.com/WebAssembly/tool-conventions/blob/main/ProducersSection.md
_OURS = "preinit"
#: What a guest calls that looks at its environment.
_FETCHES = ("environ_sizes_get", "environ_get")
_MOST_FOLDERS = 100

_FROZEN = (
    "warning: the module keeps the environment of its build, so it does not see the requests: build it with `--late "
    "env`, or have it fetch its own (docs/world.md)"
)
_UNBOUND = (
    "warning: the module keeps the environment of its build, which could not be bound when it was built, so it does "
    "not see the requests: have it fetch its own in the entry point (docs/world.md says how, for each language)"
)


def is_output(module: Module) -> bool:
    """Whether the producers section names preinit."""
    section = module.custom("producers")
    if section is None:
        return False
    at = Cursor(module.data, section.content, section.end, "producers section")
    try:
        for _ in range(at.count(2)):
            at.name()
            for _ in range(at.count(2)):
                tool, _version = at.name(), at.name()
                if tool == _OURS:
                    return True
    except InputError:
        pass
    return False


def startup_lines(module: Module, settings: Settings) -> list[str]:
    """What the log says of it when a server starts."""
    facts = late_facts(module)
    lines = []
    bound = [name for name in ("environment", "arguments") if facts.get(name) == "bound"]
    if bound:
        lines.append(f"each instance fetches its own {' and '.join(bound)}")
    if facts.get("environment") == "unbound":
        lines.append(_UNBOUND)
    wanted = facts.get("folders")
    if not isinstance(wanted, list) or not all(isinstance(name, str) for name in wanted):
        return lines
    if wanted[:_MOST_FOLDERS] != [guest for _, guest in settings.dirs][:_MOST_FOLDERS]:
        needed = " ".join(f"--dir HOST::{printable(name)}" for name in wanted[:_MOST_FOLDERS])
        lines.append(f"warning: the module was prepared for other folders, in this order: {needed}")
    return lines


class FrozenEnvironment:
    """Finds out in the first request whether instances of an output look at their environment at all."""

    def __init__(self, module: Module) -> None:
        imported = {
            entry.name
            for entry in module.imports
            if entry.module == MODULE and wasi_parameters(module, entry) is not None
        }
        told = late_facts(module).get("environment") is not None
        self._unknown = is_output(module) and not imported.isdisjoint(_FETCHES) and not told

    def warning(self, guest: Guest) -> str | None:
        """What is to be said after a request, once."""
        if not self._unknown:
            return None
        self._unknown = False
        return None if guest.called(_FETCHES) else _FROZEN
