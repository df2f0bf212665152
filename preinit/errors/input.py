"""Errors of what is given: options, files, modules that can't be read or can't be pre-initialized."""

from __future__ import annotations

from .base import PreinitError, UsageError


class InputError(PreinitError):
    """The input can't be read as a module."""

    code = "input"


class NotWasm(InputError):
    code = "not-wasm"
    hint = "Give a WebAssembly module, as a binary (.wasm) or in the text format (.wat)."


class Truncated(InputError):
    code = "truncated"
    hint = "The file ends too early: copy or download it again."


class Malformed(InputError):
    code = "malformed"
    hint = "The tool that wrote this module has a bug, or the file was damaged: `wasm-tools validate` may say more."


class TextSyntax(InputError):
    code = "text-syntax"
    hint = "Correct the text at the place shown."


class InvalidModule(InputError):
    """Well-formed, but the engine's validation refuses it."""

    code = "invalid-module"
    hint = "`wasm-tools validate --features all` on the input shows the same problem."


class ComponentInput(InputError):
    code = "component"
    hint = "Components are not supported yet: pre-initialize the core module before it is wrapped in a component."


class RelocatableObject(InputError):
    code = "relocatable-object"
    hint = "Link it first (`wasm-ld`, or your compiler without `-c`), then give the linked module."


class DynamicLibrary(InputError):
    code = "dynamic-library"
    hint = "A dynamic library's memory belongs to its loader: link statically, or pre-initialize the main module."


class Unsupported(InputError):
    """A proposal or shape that this version can't handle."""

    code = "unsupported"


class UnsupportedProposal(Unsupported):
    code = "unsupported-proposal"
    hint = "Compile the module without that proposal."


class ImportedState(Unsupported):
    code = "imported-state"
    hint = "Link the module so that it defines its own memory, table and globals (without `--import-memory` and alike)."


class StackLayout(Unsupported):
    """Which part of memory is the stack can't be proven."""

    code = "stack-layout"
    hint = "Leave out `--scrub-stack`, or link with `-Wl,--stack-first` and keep the name section."


class UnsupportedState(Unsupported):
    """The initializer changed something that can't be written back yet."""

    code = "unsupported-state"


class NoInitializer(PreinitError):
    code = "no-initializer"


class InitializerType(PreinitError):
    code = "initializer-type"


class UnknownExport(PreinitError):
    code = "unknown-export"


class Misfit(UsageError):
    """Options that do not fit this module: only reading it shows that, so it is no wrong usage of the command."""

    code = "misfit"
    exit_code = 1


class Unreadable(InputError):
    """A file that the user named can't be read. Its name is wrong, as an option may be."""

    exit_code = 2


class ConfigError(UsageError):
    """A config file that does not say what to build. `where` is the file, the line if it is known, and the key."""

    code = "config"


class JobFile(UsageError):
    """A job file that can't be read, or says what does not fit."""

    code = "job-file"
