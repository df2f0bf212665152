"""A module with segments that have names: an active one, one that is dropped, one that is kept."""

from __future__ import annotations

PASSIVE = """(module (memory 1) (data $first (i32.const 10) "active") (data $gone "dropped") (data $kept "kept")
    (func $init (export "preinit_initialize") (data.drop $gone))
    (func (export "use") (memory.init $kept (i32.const 0) (i32.const 0) (i32.const 4)) (data.drop $first)))"""
