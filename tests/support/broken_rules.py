"""The rules of writing back, each broken in one way."""

from __future__ import annotations

from typing import NamedTuple

from preinit.binary.constexpr import constant
from preinit.binary.sections import Mode
from preinit.binary.types import F32, FUNCREF, I32
from preinit.passes.snapshot import I31
from tests.support.wrong_functions import (
    Wrong,
    always,
    count_of_data,
    exports_kept,
    first_argument,
    initializers_kept,
    least_common,
    original_pages,
    original_sizes,
    other_function,
    packed,
    quiet,
    result,
    shifted,
    while_it_runs,
    with_entries,
    with_module,
    with_snapshot,
    without_start_change,
)


class Mutation(NamedTuple):
    """`wrong` makes a wrong version of a function of preinit.rewrite; `shape` is what shows it."""

    where: str
    wrong: Wrong
    shape: str


MUTATIONS: dict[str, Mutation] = {
    # Tables
    "a changed table keeps its old entries": Mutation(
        "elements.element_entries", with_snapshot(lambda *_: {"tables": {}}), "a_table_changed_by_the_start_function"
    ),
    "a changed table's old segments stay beside the new ones": Mutation(
        "elements._emptied",
        lambda _: lambda module, segment: module.data[slice(*segment.raw)],
        "a_function_that_only_an_emptied_segment_declared",
    ),
    "an emptied active segment is removed, so that indices move": Mutation(
        "elements.element_entries", result(lambda made: (made[0][1:], made[1])), "segments_keep_their_index"
    ),
    "a dropped passive element segment is live again": Mutation(
        "elements.element_entries",
        with_snapshot(lambda *_: {"dropped_elements": frozenset()}),
        "segments_keep_their_index",
    ),
    "a live passive element segment is emptied": Mutation(
        "elements.element_entries",
        with_snapshot(lambda m, _: {"dropped_elements": frozenset(range(len(m.elements)))}),
        "segments_keep_their_index",
    ),
    "null becomes a function": Mutation(
        "elements.element_entries",
        with_entries(lambda entry: 0 if entry is None else entry),
        "a_table_that_was_set_grown_filled_and_copied",
    ),
    "holes in a table are closed": Mutation("elements._runs", packed, "a_table_with_holes"),
    "a run of entries starts one too late": Mutation(
        "elements._runs",
        result(lambda runs: [(start + 1, run[1:]) for start, run in runs]),
        "one_table_changed_and_one_not",
    ),
    "a run of entries ends one too early": Mutation(
        "elements._runs",
        result(lambda runs: [(start, run[:-1]) for start, run in runs]),
        "one_table_changed_and_one_not",
    ),
    "a run of entries stands one further": Mutation(
        "elements._runs",
        result(lambda runs: [(start + 1, run) for start, run in runs]),
        "one_table_changed_and_one_not",
    ),
    "a table's minimum is not raised": Mutation(
        "elements.table_section", with_snapshot(original_sizes), "tables_of_every_type"
    ),
    "a table that grew by nulls only is as small as before": Mutation(
        "elements.table_section", with_snapshot(original_sizes), "a_table_that_grew_by_nulls"
    ),
    "a changed table is filled by its old initializer": Mutation(
        "elements.table_section", initializers_kept, "tables_of_every_type"
    ),
    "a nullable table is filled with what it holds most": Mutation(
        "elements.table_section", while_it_runs("is_nullable", lambda _: False), "tables_of_every_type"
    ),
    "a table without null is filled with the wrong function": Mutation(
        "elements.table_section", while_it_runs("fill_of", least_common), "tables_of_every_type"
    ),
    "a typed table gets entries of funcref": Mutation(
        "elements._active",
        lambda original: lambda index, table, *rest: original(index, table._replace(type=FUNCREF), *rest),
        "tables_of_every_type",
    ),
    "entries of the second table go to the first": Mutation(
        "elements._active", lambda original: lambda _, *rest: original(0, *rest), "tables_of_every_type"
    ),
    "function indices of entries are off by one": Mutation(
        "elements.element_entries", with_entries(other_function), "a_table_that_was_set_grown_filled_and_copied"
    ),
    "an imported function becomes the other import of the same name": Mutation(
        "elements.element_entries",
        with_entries(lambda entry: 0 if entry == 1 else entry),
        "imported_functions_in_a_table",
    ),
    "the offset in a table of 64 bits has 32": Mutation(
        "elements.offset_constant",
        lambda original: lambda offset, _: original(offset, False),
        "a_table64_with_a_segment",
    ),
    "functions that nothing else declares are forgotten": Mutation(
        "elements.lost_declarations", always(()), "a_function_that_only_an_emptied_segment_declared"
    ),
    "the declaring segment is left out": Mutation(
        "elements.element_entries",
        lambda original: lambda module, snapshot, _, restored: original(module, snapshot, (), restored),
        "a_function_that_only_an_emptied_segment_declared",
    ),
    # Globals
    "a reference global keeps its old initializer": Mutation(
        "sections.global_section", with_snapshot(lambda *_: {"references": {}}), "reference_globals"
    ),
    "a function in a global is off by one": Mutation(
        "sections.reference_expression", first_argument(other_function), "reference_globals"
    ),
    "null in a global becomes a function": Mutation(
        "sections.reference_expression",
        first_argument(lambda value: 0 if value is None else value),
        "reference_globals",
    ),
    "an i31 in a global loses its sign": Mutation(
        "sections.reference_expression",
        first_argument(lambda value: I31(value.value & 0x3FFFFFFF) if isinstance(value, I31) else value),
        "reference_globals",
    ),
    "a global keeps its old number": Mutation(
        "sections.global_section", with_snapshot(lambda *_: {"globals": {}}), "no_memory_at_all"
    ),
    "a signalling NaN is made quiet": Mutation("sections.constant", quiet, "a_signalling_nan_stays_one"),
    "the sign of zero is lost": Mutation(
        "sections.constant",
        lambda original: lambda kind, bits: original(kind, bytes(4) if (kind, bits) == (F32, b"\0\0\0\x80") else bits),
        "globals_of_all_numeric_types",
    ),
    "an integer is written without its sign": Mutation(
        "sections.constant",
        lambda original: lambda kind, bits: original(kind, bits[:3] + b"\x7f" if kind == I32 else bits),
        "globals_of_all_numeric_types",
    ),
    # Memories and data
    "a memory's minimum is not raised": Mutation(
        "sections.memory_section", with_snapshot(original_pages), "a_memory_that_grew"
    ),
    "a run of bytes starts one too late": Mutation("module.runs_of_memory", shifted(1, 0), "a_memory_that_grew"),
    "a run of bytes ends one too early": Mutation("module.runs_of_memory", shifted(0, -1), "a_memory_that_grew"),
    "a run of bytes goes to the first memory": Mutation(
        "module.runs_of_memory",
        result(lambda runs: [run._replace(memory=0) if run.end <= 65536 else run for run in runs]),
        "several_memories",
    ),
    "the last run of bytes is lost": Mutation(
        "module.within_limit", result(lambda runs: runs[:-1]), "several_memories"
    ),
    "an offset beyond 2 GiB is not made negative": Mutation(
        "sections.offset_constant", first_argument(lambda offset: offset & 0x7FFFFFFF), "a_memory_beyond_2_gib"
    ),
    "the offset in a memory of 64 bits has 32": Mutation(
        "sections.offset_constant",
        lambda _: lambda offset, _is_64: constant(I32, offset.to_bytes(4, "little")),
        "a_64_bit_memory",
    ),
    "a dropped passive data segment is live again": Mutation(
        "sections.data_section",
        with_snapshot(lambda *_: {"dropped_data": frozenset()}),
        "live_and_dropped_passive_data",
    ),
    "a live passive data segment is emptied": Mutation(
        "sections.data_section",
        with_snapshot(lambda *_: {"dropped_data": frozenset(range(9))}),
        "live_and_dropped_passive_data",
    ),
    "an active data segment's place is removed, so that indices move": Mutation(
        "sections.data_section",
        with_module(lambda m, _: {"data_segments": tuple(s for s in m.data_segments if s.mode is Mode.PASSIVE)}),
        "live_and_dropped_passive_data",
    ),
    "the places of data segments are given up though code names them": Mutation(
        "variants", lambda _: lambda _m, _s, plan: iter((plan,)), "live_and_dropped_passive_data"
    ),
    "the count of data segments is not what there is": Mutation(
        "module.write", count_of_data(lambda number: number + 1), "live_and_dropped_passive_data"
    ),
    # Imports
    "an imported memory's minimum is not raised": Mutation(
        "imports.import_section", with_snapshot(original_pages), "imported_state"
    ),
    "an imported table's minimum is not raised": Mutation(
        "imports.import_section", with_snapshot(original_sizes), "imported_state"
    ),
    "an imported mutable global is not set": Mutation("imports.start_body", always(b""), "imported_state"),
    "an imported global is set to another number": Mutation(
        "imports.constant",
        lambda original: lambda kind, bits: original(kind, b"\1" + bits[1:]),
        "imported_state",
    ),
    "an imported reference global is set to another function": Mutation(
        "imports.reference_expression", first_argument(other_function), "imported_state"
    ),
    "an imported constant is not compared": Mutation("imports.start_body", always(b""), "an_imported_constant"),
    "an imported constant is compared as a number, which takes -0 for 0": Mutation(
        "imports._DIFFERS", lambda original: {**original, F32: (b"", b"\x5c")}, "an_imported_constant_of_zero"
    ),
    "a kept import is left out": Mutation(
        "imports.import_section", lambda original: lambda m, s, _, r: original(m, s, False, r), "imported_state"
    ),
    "a defined memory is an import still": Mutation(
        "imports.import_section", lambda original: lambda m, s, _, r: original(m, s, True, r), "defined_imports"
    ),
    "a defined memory is not defined": Mutation(
        "sections.memory_section",
        lambda original: lambda m, s, _: original(m, s, m.imported_memories),
        "defined_imports",
    ),
    "a defined table is not defined": Mutation(
        "elements.table_section", lambda original: lambda m, s, _: original(m, s, m.imported_tables), "defined_imports"
    ),
    # The rest
    "the start function is kept, and runs again": Mutation(
        "module._in_order", without_start_change, "a_start_function"
    ),
    "the initializer is exported still": Mutation("write_module", exports_kept, "no_memory_at_all"),
    "names of data segments stay when the segments are gone": Mutation(
        "module._kept", always(True), "names_of_segments_that_are_gone"
    ),
    "names of data segments that stayed are lost": Mutation("module._kept", always(False), "names_of_segments"),
}
