"""The rules of writing back, each broken in one way."""

from __future__ import annotations

from types import SimpleNamespace
from typing import NamedTuple

from preinit.binary.constexpr import constant
from preinit.binary.sections import Mode
from preinit.binary.types import F32, FUNCREF, I32
from preinit.passes.rewrite.runs import Runs
from preinit.passes.snapshot import I31
from tests.support.wrong_functions import (
    Wrong,
    always,
    as_imports,
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
    with_changed,
    with_entries,
    with_module,
    with_pages,
    with_segments,
    with_snapshot,
    with_state,
    with_table_state,
    without_start_change,
)


class Mutation(NamedTuple):
    """`wrong` makes a wrong version of a function of preinit.passes.rewrite; `shape` is what shows it."""

    where: str
    wrong: Wrong
    shape: str


MUTATIONS: dict[str, Mutation] = {
    # Tables
    "a changed table keeps its old entries": Mutation(
        "segments.write_elements", with_changed(lambda *_: {}), "a_table_changed_by_the_start_function"
    ),
    "a changed table's old segments stay in addition to the new ones": Mutation(
        "segments._emptied",
        lambda _: lambda module, segment: module.data[slice(*segment.raw)],
        "a_function_that_only_an_emptied_segment_declared",
    ),
    "an emptied active segment is removed, so that indices move": Mutation(
        "segments.write_elements",
        with_module(lambda m, _: {"elements": m.elements[1:]}),
        "segments_keep_their_index",
    ),
    "a dropped passive element segment is live again": Mutation(
        "segments.write_elements",
        with_segments(lambda *_: {"dropped_elements": frozenset()}),
        "segments_keep_their_index",
    ),
    "a live passive element segment is emptied": Mutation(
        "segments.write_elements",
        with_segments(lambda m, _: {"dropped_elements": frozenset(range(len(m.elements)))}),
        "segments_keep_their_index",
    ),
    "null becomes a function": Mutation(
        "segments.write_elements",
        with_entries(lambda entry: 0 if entry is None else entry),
        "a_table_that_was_set_grown_filled_and_copied",
    ),
    "holes in a table are closed": Mutation("tables._runs", packed, "a_table_with_holes"),
    "a run of entries starts one too late": Mutation(
        "tables._runs",
        result(lambda runs: [(start + 1, run[1:]) for start, run in runs]),
        "one_table_changed_and_one_not",
    ),
    "a run of entries ends one too early": Mutation(
        "tables._runs",
        result(lambda runs: [(start, run[:-1]) for start, run in runs]),
        "one_table_changed_and_one_not",
    ),
    "a run of entries stands one further": Mutation(
        "tables._runs",
        result(lambda runs: [(start + 1, run) for start, run in runs]),
        "one_table_changed_and_one_not",
    ),
    "a table's minimum is not raised": Mutation(
        "tables.table_section", with_table_state(original_sizes), "tables_of_every_type"
    ),
    "a table that grew by nulls only is as small as before": Mutation(
        "tables.table_section", with_table_state(original_sizes), "a_table_that_grew_by_nulls"
    ),
    "a changed table is filled by its old initializer": Mutation(
        "tables.table_section", initializers_kept, "tables_of_every_type"
    ),
    "a nullable table is filled with what it holds most": Mutation(
        "tables.table_section", while_it_runs("is_nullable", lambda _: False), "tables_of_every_type"
    ),
    "a table without null is filled with the wrong function": Mutation(
        "tables.table_section", while_it_runs("fill_of", least_common), "tables_of_every_type"
    ),
    "a typed table gets entries of funcref": Mutation(
        "tables.active_entry",
        lambda original: lambda table, run: original(table._replace(type=FUNCREF), run),
        "tables_of_every_type",
    ),
    "entries of the second table go to the first": Mutation(
        "tables.active_entry",
        lambda original: lambda table, run: original(table, run._replace(table=0)),
        "tables_of_every_type",
    ),
    "function indices of entries are off by one": Mutation(
        "segments.write_elements", with_entries(other_function), "a_table_that_was_set_grown_filled_and_copied"
    ),
    "an imported function becomes the other import of the same name": Mutation(
        "segments.write_elements",
        with_entries(lambda entry: 0 if entry == 1 else entry),
        "imported_functions_in_a_table",
    ),
    "the offset in a table of 64 bits has 32": Mutation(
        "tables.offset_constant",
        lambda original: lambda offset, _: original(offset, False),
        "a_table64_with_a_segment",
    ),
    "functions that nothing else declares are forgotten": Mutation(
        "segments.lost_declarations", always(()), "a_function_that_only_an_emptied_segment_declared"
    ),
    "the declaring segment is left out": Mutation(
        "segments.write_elements",
        lambda original: lambda m, s, plan: original(m, s, plan._replace(tables=plan.tables._replace(declared=()))),
        "a_function_that_only_an_emptied_segment_declared",
    ),
    # Globals
    "a reference global keeps its old initializer": Mutation(
        "globals.global_section", with_state(lambda _, state: {"references": {}}), "reference_globals"
    ),
    "a function in a global is off by one": Mutation(
        "globals.reference_expression", first_argument(other_function), "reference_globals"
    ),
    "null in a global becomes a function": Mutation(
        "globals.reference_expression",
        first_argument(lambda value: 0 if value is None else value),
        "reference_globals",
    ),
    "an i31 in a global loses its sign": Mutation(
        "globals.reference_expression",
        first_argument(lambda value: I31(value.value & 0x3FFFFFFF) if isinstance(value, I31) else value),
        "reference_globals",
    ),
    "a global keeps its old number": Mutation(
        "globals.global_section", with_state(lambda _, state: {"numbers": {}}), "no_memory_at_all"
    ),
    "a signalling NaN is made quiet": Mutation("globals.constant", quiet, "a_signalling_nan_stays_one"),
    "the sign of zero is lost": Mutation(
        "globals.constant",
        lambda original: lambda kind, bits: original(kind, bytes(4) if (kind, bits) == (F32, b"\0\0\0\x80") else bits),
        "globals_of_all_numeric_types",
    ),
    "an integer is written without its sign": Mutation(
        "globals.constant",
        lambda original: lambda kind, bits: original(kind, bits[:3] + b"\x7f" if kind == I32 else bits),
        "globals_of_all_numeric_types",
    ),
    # Memories and data
    "a memory's minimum is not raised": Mutation("memories.memory_section", with_pages, "a_memory_that_grew"),
    "a run of bytes starts one too late": Mutation("memories.runs_of_memory", shifted(1, 0), "a_memory_that_grew"),
    "a run of bytes ends one too early": Mutation("memories.runs_of_memory", shifted(0, -1), "a_memory_that_grew"),
    "a run of bytes goes to the first memory": Mutation(
        "segments.write_data",
        lambda original: (
            lambda module, snapshot, plan, runs: original(
                module, snapshot, plan, Runs.of(run._replace(memory=0) if run.end <= 65536 else run for run in runs)
            )
        ),
        "several_memories",
    ),
    "the last run of bytes is lost": Mutation(
        "segments.within_limit", result(lambda runs: Runs.of([*runs][:-1])), "several_memories"
    ),
    "a word far from the rest is nowhere": Mutation("memories.stores", always(b""), "words_far_from_the_rest"),
    "a word far from the rest is stored in the first memory": Mutation(
        "memories.instructions",
        lambda original: lambda store, _: original(store._replace(memory=0), False),
        "words_far_from_the_rest",
    ),
    "only the first bytes of what lies far from the rest are stored": Mutation(
        "memories.instructions",
        lambda original: lambda store, is_64: original(store._replace(data=store.data[:8]), is_64),
        "words_far_from_the_rest",
    ),
    "an offset beyond 2 GiB is not made negative": Mutation(
        "memories.offset_constant", first_argument(lambda offset: offset & 0x7FFFFFFF), "a_memory_beyond_2_gib"
    ),
    "the offset in a memory of 64 bits has 32": Mutation(
        "memories.offset_constant",
        lambda _: lambda offset, _is_64: constant(I32, offset.to_bytes(4, "little")),
        "a_64_bit_memory",
    ),
    "a dropped passive data segment is live again": Mutation(
        "segments.write_data",
        with_segments(lambda *_: {"dropped_data": frozenset()}),
        "live_and_dropped_passive_data",
    ),
    "a live passive data segment is emptied": Mutation(
        "segments.write_data",
        with_segments(lambda *_: {"dropped_data": frozenset(range(9))}),
        "live_and_dropped_passive_data",
    ),
    "an active data segment's place is removed, so that indices move": Mutation(
        "segments.write_data",
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
        "imports.import_section",
        with_snapshot(lambda m, s: {"tables": s.tables._replace(**original_sizes(m, s.tables))}),
        "imported_state",
    ),
    "an imported mutable global is not set": Mutation("globals.set_globals", always(b""), "imported_state"),
    "an imported global is set to another number": Mutation(
        "globals.code",
        lambda original: SimpleNamespace(
            **{**vars(original), "value": lambda kind, bits: original.value(kind, b"\1" + bits[1:])}
        ),
        "imported_state",
    ),
    "an imported reference global is set to another function": Mutation(
        "globals.reference_value", first_argument(other_function), "imported_state"
    ),
    "an imported constant is not compared": Mutation("globals.set_globals", always(b""), "an_imported_constant"),
    "an imported constant is compared as a number, which takes -0 for 0": Mutation(
        "globals._DIFFERS", lambda original: {**original, F32: (b"", b"\x5c")}, "an_imported_constant_of_zero"
    ),
    "a kept import is left out": Mutation("imports.import_section", as_imports("define"), "imported_state"),
    "a defined memory is an import still": Mutation("imports.import_section", as_imports("keep"), "defined_imports"),
    "a defined memory is not defined": Mutation(
        "memories.memory_section",
        lambda original: lambda m, s, owners: original(m, s, owners._replace(imports="keep")),
        "defined_imports",
    ),
    "a defined table is not defined": Mutation(
        "tables.table_section",
        lambda original: lambda m, s, owners: original(m, s, owners._replace(imports="keep")),
        "defined_imports",
    ),
    # The rest
    "the start function is kept, and runs again": Mutation(
        "module._in_order", without_start_change, "a_start_function"
    ),
    "the initializer is exported still": Mutation("write_module", exports_kept, "no_memory_at_all"),
    "names of data segments stay when the segments are gone": Mutation(
        "module.kept_data_segments", always(range(1 << 32)), "names_of_segments_that_are_gone"
    ),
    "names of data segments that stayed are lost": Mutation(
        "module.kept_data_segments", always(frozenset()), "names_of_segments"
    ),
}
