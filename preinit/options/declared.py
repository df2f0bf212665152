"""Options, each declared once: what it can be, what it is called everywhere, what it affects.

From a declaration follow the check of a value, the option of the command line, the key of a file and its JSON schema,
what a report holds of it, whether an output is still up to date, and what all builds of one Builder have in common.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from enum import Enum
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

if TYPE_CHECKING:
    from .kinds import Kind

In = TypeVar("In", contravariant=True)
Out = TypeVar("Out", covariant=True)


class Effect(Enum):
    """What an option affects: the one that matters most."""

    OUTPUT = "decides the bytes of the output"
    LIMIT = "ends a guest that takes too much"
    ENGINE = "decides how the guest is compiled, which the output does not depend on"
    PROCESS = "is about the process: how long it may take, what it keeps for later ones"
    VERDICT = "decides whether an output is accepted, or what is said against it"
    REPORT = "only decides what is reported"


class Option(Generic[In, Out]):
    """An option of a build: a field of `Options` or `Host`, which checks what it is given. `In`: what callers may
    give; `Out`: the form that the rest works with.

    Parameters
    ----------
    default: of a caller of the library, and everywhere else unless `otherwise` says more.
    kind: what it can be.
    help: for the command line and for editors of config files; one sentence.
    heading: what it stands under in the help of a command; None for options that only the library has.
    flag, short: on the command line; `flag` is the name unless it is given.
    metavar: of its value on the command line.
    compiled: whether what is compiled depends on it, so that all builds of a Builder have the same.
    otherwise: the default where it is not the library's, in words.
    """

    def __init__(
        self,
        default: In,
        kind: Kind,
        effect: Effect,
        help: str = "",
        *,
        heading: str | None = None,
        flag: str = "",
        short: str = "",
        metavar: str = "",
        compiled: bool = False,
        otherwise: str = "",
    ) -> None:
        self.default: Any = default
        self.kind = kind
        self.effect = effect
        self.help = help
        self.heading = heading
        self.short = short
        self.metavar = metavar
        self.compiled = compiled
        self.otherwise = otherwise
        self.name = ""
        self._flag = flag

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @property
    def key(self) -> str:
        """What it is called in files."""
        return self.name.replace("_", "-")

    @property
    def flag(self) -> str:
        """What it is called on the command line."""
        return self._flag or f"--{self.key}"

    @overload
    def __get__(self, instance: None, owner: type) -> Out: ...
    @overload
    def __get__(self, instance: object, owner: type) -> Out: ...
    def __get__(self, instance: object | None, owner: type) -> Any:
        return self.default if instance is None else instance.__dict__[self.name]

    def __set__(self, instance: object, value: In) -> None:
        instance.__dict__[self.name] = self.kind.check(self.name, value)


#: What decides whether there is an output, and its bytes.
DECIDING = (Effect.OUTPUT, Effect.LIMIT, Effect.VERDICT)


def declared(holder: type) -> Iterator[Option[Any, Any]]:
    """The options of a class, in order."""
    return (value for value in vars(holder).values() if isinstance(value, Option))


def values(holder: object, effects: Container[Effect], but: Container[str] = ()) -> dict[str, Any]:
    """The options of an object that affect such things, by name; without some."""
    options = declared(type(holder))
    return {o.name: getattr(holder, o.name) for o in options if o.effect in effects and o.name not in but}
