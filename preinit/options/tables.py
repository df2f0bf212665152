"""Options as they stand in files, config files and job files alike, and as texts of the command line.

A key is the field's name with dashes; a flag is the key, in the singular where it may be given several times.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import UsageError, quoted
from ..tuples import NamedTuple
from .build import Options
from .declared import Option, declared
from .fields import changed
from .host import Host
from .kinds import FLAG, Files, Kind, Path, Schema, Wrong, misplaced
from .lists import either, texts
from .text import clock_of
from .texts import NOT_EMPTY

#: Names of our environment variables that the guest gets; true: all of them. Only files and the command line have it.
INHERIT_ENV = "inherit-env"

#: https://json-schema.org/specification-links#draft-7 , the one that editors know.
DIALECT = "http://json-schema.org/draft-07/schema#"


class Key(NamedTuple):
    """A key of a table. `description` is for people who write the file in an editor that knows the schema."""

    kind: Kind
    description: str


def all_options() -> dict[str, Option[Any, Any]]:
    """Every option that users can give, by the field's name, in the order in which help shows them."""
    both = (*declared(Options), *declared(Host))
    return {option.name: option for option in both if option.heading is not None}


def option_keys(compiled: bool = True) -> dict[str, Key]:
    """The keys of all options; without those that all builds of a Builder have in common, if not `compiled`."""
    keys = {}
    for option in all_options().values():
        if compiled or not option.compiled:
            keys[option.key] = Key(option.kind, _described(option))
            if option.name == "env":
                keys[INHERIT_ENV] = Key(
                    either(FLAG, texts(pattern=NOT_EMPTY)),
                    "Names of our environment variables that the guest gets; true: all of them.",
                )
    return keys


def _described(option: Option[Any, Any]) -> str:
    return f"{option.help}{f'  [default: {option.otherwise}]' if option.otherwise else ''}"


# -- reading a table ---------------------------------------------------------------------------------------------------


def table_of(keys: Mapping[str, Key], wanted: str = "a table") -> Kind:
    """A table that has no keys but those."""

    def read(value: Any, path: Path) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise misplaced(path, wanted, value)
        unknown = next((name for name in value if name not in keys), None)
        if unknown is not None:
            place = f"`{path[-1]}`" if path else "the table"
            raise Wrong((*path, unknown), f"there is no key {quoted(str(unknown))} in {place}", nearest(unknown, keys))
        return {name: keys[name].kind.read(item, (*path, name)) for name, item in value.items()}

    return FLAG._replace(wanted=wanted, read=read, schema=lambda: schema_of(keys), merges=True, is_flag=False)


def schema_of(keys: Mapping[str, Key]) -> Schema:
    """The JSON schema of a table with those keys."""
    properties = {name: {**key.kind.schema(), "description": key.description} for name, key in keys.items()}
    return {"type": "object", "additionalProperties": False, "properties": properties}


def nearest(name: str, known: Iterable[str]) -> str:
    """What was probably meant; without a guess, all that there is."""
    from difflib import get_close_matches  # for messages only: it takes longer to import than a good build would wait

    known = list(known)
    wanted = name.lower().replace("_", "-")
    longer = [key for key in known if len(wanted) > 1 and key.startswith(wanted)]
    close = longer or get_close_matches(wanted, known, 1, 0.6)
    return f"Write `{close[0]}`." if close else f"One of {', '.join(known) or 'none'}."


def merged(keys: Mapping[str, Key], below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Tables are merged key by key; of anything else, `above` counts."""
    result = {**below, **above}
    for key in below.keys() & above.keys():
        tables = isinstance(below[key], dict) and isinstance(above[key], dict)
        if tables and key in keys and keys[key].kind.merges:
            result[key] = {**below[key], **above[key]}
    return result


def anchored(settings: Mapping[str, Any], folder: str) -> dict[str, Any]:
    """The same with all paths relative to a folder: for settings that meet those of a file somewhere else."""
    kinds = {option.key: option.kind for option in all_options().values()}
    return {key: kinds[key].anchor(value, folder) if key in kinds else value for key, value in settings.items()}


# -- from a table to options -------------------------------------------------------------------------------------------


def fields_of(settings: Mapping[str, Any], files: Files) -> dict[str, Any]:
    """The fields, as `fields.changed` takes them, that a table's settings stand for; reads the files that it names.

    Raises `UsageError`, and what `files` raise.
    """
    fields = fields_from(all_options().values(), settings, files)
    own = settings.get("env", {})
    pairs = list(own.items() if isinstance(own, Mapping) else own)
    if INHERIT_ENV in settings:
        fields["env"] = {**dict(_inherited(settings[INHERIT_ENV], files)), **dict(fields.get("env", ()))}
    if pairs:
        # Whoever writes a value knows that it is no secret; those of our environment may be some.
        fields["public_env"] = [name for name, value in pairs if value is not None]
    return fields


def fields_from(options: Iterable[Option[Any, Any]], settings: Mapping[str, Any], files: Files) -> dict[str, Any]:
    """The same for any options."""
    return {o.name: o.kind.resolve(settings[o.key], files) for o in options if o.key in settings}


def options_of(settings: Mapping[str, Any], files: Files, **overrides: Any) -> Options:
    """The options that a table's settings stand for; `overrides`: fields that don't come from there.

    The clock stands at $SOURCE_DATE_EPOCH where they don't say another time. Raises `UsageError`.
    """
    fields = fields_of(settings, files)
    if "clock" not in fields:
        fields["clock"] = clock_of(files.environment)
    options = changed(Options(), {**fields, **overrides})
    check_writable(options)
    return options


def check_writable(options: Options) -> None:
    """Raises `UsageError` where folders may be written and there are none: that is a mistake."""
    if options.host.writable and not options.host.dirs:
        raise UsageError("no folder is given that could be written", hint="Give one: `--dir HOST::GUEST`.")


def _inherited(wanted: Any, files: Files) -> Iterable[tuple[str, str]]:
    names = sorted(files.environment) if wanted is True else wanted or ()
    missing = next((name for name in names if name not in files.environment), None)
    if missing is not None:
        raise UsageError(
            f"there is no environment variable {quoted(missing)} to pass on",
            hint="Set it, give it a value in `env`, or leave it out of `inherit-env`.",
        )
    return ((name, files.environment[name]) for name in names)


# -- from texts of the command line to a table -------------------------------------------------------------------------


def settings_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """What a file would hold, from what was given on the command line, by the field's name: a text or a list of texts
    of each option, a boolean of each flag. None, and an empty list, were not given. Raises `UsageError`."""
    return settings_from(all_options().values(), given)


def settings_from(options: Iterable[Option[Any, Any]], given: Mapping[str, Any]) -> dict[str, Any]:
    """The same for any options."""
    settings: dict[str, Any] = {}
    for option in options:
        value = given.get(option.name)
        if value is None or value == ():
            continue
        kind = option.kind
        if kind.is_flag:
            settings[option.key] = bool(value)
        elif kind.repeats:
            settings[option.key] = kind.gather([kind.parse(text, option.flag) for text in value])
        else:
            settings[option.key] = kind.parse(value, option.flag)
    return settings
