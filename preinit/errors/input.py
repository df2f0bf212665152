"""Errors of what is given: options, files, modules that can't be read or can't be pre-initialized."""

from __future__ import annotations

from .base import PreinitError, UsageError


class InputError(PreinitError):
    """What was given is not what it should be: a report of another build, or a file that has changed since.

    What to do: Give the report of the build that wrote the output, and the files as they were.
    """

    code = "input"


class NotWasm(InputError):
    """The input does not start as a WebAssembly module does."""

    code = "not-wasm"
    hint = "Give a WebAssembly module, as a binary (.wasm) or in the text format (.wat)."


class Truncated(InputError):
    """The module ends in the middle."""

    code = "truncated"
    hint = "The file ends too early: copy or download it again."


class Malformed(InputError):
    """The module breaks the rules of the binary format."""

    code = "malformed"
    hint = "The tool that wrote this module has a bug, or the file was damaged: `wasm-tools validate` may say more."


class TextSyntax(InputError):
    """The text is not a module: it has a mistake."""

    code = "text-syntax"
    hint = "Correct the text at the place shown."


class InvalidModule(InputError):
    """The module is well-formed, but it does not validate."""

    code = "invalid-module"
    hint = "`wasm-tools validate --features all` on the input shows the same problem."


class ComponentInput(InputError):
    """The input is a component, and what was to be done with it is there for core modules only."""

    code = "component"
    hint = "`preinit build` takes components: docs/components.md says what else does."


class RelocatableObject(InputError):
    """The input is an object file that was not linked yet."""

    code = "relocatable-object"
    hint = "Link it first (`wasm-ld`, or your compiler without `-c`), then give the linked module."


class DynamicLibrary(InputError):
    """The input is a dynamic library (it has a custom section `dylink.0`)."""

    code = "dynamic-library"
    hint = "A dynamic library's memory belongs to its loader: link statically, or pre-initialize the main module."


class Unsupported(InputError):
    """The module has a shape that the engine, or this version of preinit, can't handle.

    What to do: Change what the message names; of a refusal by winch, `--compiler cranelift` may know more.
    """

    code = "unsupported"


class UnsupportedProposal(Unsupported):
    """The module uses a proposal that the engine, or preinit, does not know."""

    code = "unsupported-proposal"
    hint = "Compile the module without that proposal."


class EngineLimit(Unsupported):
    """The module has more of something, or something larger, than engines take; the specification has no such limit."""

    code = "engine-limit"
    hint = (
        "Have the compiler make less of it; https://webassembly.github.io/spec/js-api/#limits says what engines take."
    )


class ImportedState(Unsupported):
    """The module imports a memory, table or global in a way that can't be captured."""

    code = "imported-state"
    hint = (
        "Have the module define its own memory, table and globals: link without `--import-memory` and similar options."
    )


class StackLayout(Unsupported):
    """Which part of memory is the stack can't be proven, so `--scrub-stack` is refused."""

    code = "stack-layout"
    hint = "Leave out `--scrub-stack`, or link with `-Wl,--stack-first` and keep the name section."


class UnsupportedState(Unsupported):
    """The initializer left something that can't be written to a module: an object, a function of another module."""

    code = "unsupported-state"
    hint = "Clear it before the initializer ends, or make it when an instance starts."


class NoInitializer(PreinitError):
    """There is nothing to run: the module has none of the usual exports, and none was named."""

    code = "no-initializer"
    hint = "Name an export with `-f`."


class NothingLeft(PreinitError):
    """The output would export nothing that could use what was initialized."""

    code = "nothing-left"
    hint = (
        "Export a function that goes on from there; where the whole program was run, one for what comes before, too, "
        "and run that one. To write the output nevertheless: `--accept nothing-exported`."
    )


class InitializerType(PreinitError):
    """An export can't be called as it was written: its type asks for other arguments, or it is not a function."""

    code = "initializer-type"
    hint = "Give the arguments that its type asks for, or name another export."


class UnknownExport(PreinitError, LookupError):
    """The module has no export of the name that was given."""

    code = "unknown-export"
    hint = "Take one of the exports that the module has; `preinit inspect` lists them."


class Misfit(UsageError):
    """An option does not fit this module, which only reading the module shows: an import or value that it lacks."""

    code = "misfit"
    exit_code = 1
    hint = "Correct the option, or leave it out; `preinit inspect` shows what the module imports and exports."


class Unreadable(InputError, OSError):
    """A file that an argument or option names can't be read."""

    code = "unreadable"
    exit_code = 2
    hint = "Name a file that exists and that you may read."


class ConfigError(UsageError):
    """The config file or job file does not say what to build. `where` is the file, the line if it is known, the key."""

    code = "config"
    hint = (
        "Correct that place of the file; `preinit schema` prints what a config file may say, `preinit schema --jobs` "
        "what a job file may say."
    )
