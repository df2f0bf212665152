"""Proposals that an output uses, and that most engines lack or have off."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...binary.cursor import Cursor
from ...binary.module import Module, Section, SectionId
from ...binary.rope import Rope
from ...binary.sections import has_compact_imports
from ...errors import InputError
from ...result import BuildWarning

#: Bytes of a page in every module without the proposal for other sizes.
_PAGE = 1 << 16


def proposal_warnings(module: Module, output: Rope, sections: Sequence[Section]) -> Iterator[BuildWarning]:
    """A warning for each. `output`: a binary with those `sections`, which has the memories of `module`."""
    imports = next((section for section in sections if section.id == SectionId.IMPORT), None)
    if imports and has_compact_imports(output.cursor(imports.start, imports.end, imports.label)):
        yield _warning(
            "compact imports",
            "Have the tool that wrote the input leave it out: `wasm-opt -all --disable-compact-imports IN -o OUT`.",
        )
    if any(limits.page_size != _PAGE for limits in module.memories):
        yield _warning("custom page sizes", "Compile the module with pages of 64 KiB, or turn it on in the host.")
    if "wide-arithmetic" in _used_features(module):
        yield _warning("wide arithmetic", "Compile the module without it, or turn it on in the host.")


def _warning(proposal: str, hint: str) -> BuildWarning:
    return BuildWarning(
        "uncommon-proposal", f"the output uses the proposal {proposal}, which most engines lack or have off", hint
    )


def _used_features(module: Module) -> set[str]:
    """What the compiler says that it used:
    https://github.com/WebAssembly/tool-conventions/blob/main/Linking.md#target-features-section"""
    section = module.custom("target_features")
    if section is None:
        return set()
    at, found = Cursor(module.data, section.content, section.end, "target_features section"), set()
    try:
        for _ in range(at.count(2)):
            prefix, name = at.byte(), at.name()
            if prefix == ord("+"):
                found.add(name)
    except InputError:
        pass  # what a tool wrote in there is none of the module's business
    return found
