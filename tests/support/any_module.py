"""Any module at all, as Hypothesis draws them: one whose initializer changes all kinds of state."""

from __future__ import annotations

from hypothesis import strategies as st

BITS = {"i32": 32, "i64": 64, "f32": 32, "f64": 64}
VALUES = {"i32": "i32.const", "i64": "i64.const", "f32": "f32.reinterpret_i32", "f64": "f64.reinterpret_i64"}


def _table(draw: st.DrawFn, number: int, fields: list[str], steps: list[str]) -> None:
    """A table with segments, and steps that set, fill, copy, grow, initialize and drop; a global that holds an entry."""
    size = draw(st.integers(0, 5))
    fields.append(f"(table $t{number} {size} {size + 4} funcref)")
    fields.append(f"(func $f{number}a) (func $f{number}b) (elem declare func $f{number}a $f{number}b)")
    fields.append(f"(global $r{number} (mut funcref) (ref.null func))")
    functions = st.sampled_from([f"(ref.func $f{number}a)", f"(ref.func $f{number}b)", "(ref.null func)"])
    slot = st.integers(0, max(0, size - 1))
    if size:
        if draw(st.booleans()):
            fields.append(f"(elem (table $t{number}) (i32.const {draw(slot)}) func $f{number}a)")
        for _ in range(draw(st.integers(0, 3))):
            steps.append(f"(table.set $t{number} (i32.const {draw(slot)}) {draw(functions)})")
        if draw(st.booleans()):
            steps.append(f"(global.set $r{number} (table.get $t{number} (i32.const {draw(slot)})))")
        if draw(st.booleans()):
            places = f"(i32.const {draw(slot)}) (i32.const {draw(slot)})"
            steps.append(f"(table.copy $t{number} $t{number} {places} (i32.const 1))")
        fields.append(f"(elem $e{number} func $f{number}b $f{number}a)")
        if draw(st.booleans()):
            steps.append(f"(table.init $t{number} $e{number} (i32.const {draw(slot)}) (i32.const 1) (i32.const 1))")
        if draw(st.booleans()):
            steps.append(f"(elem.drop $e{number})")
    if draw(st.booleans()):
        steps.append(f"(drop (table.grow $t{number} {draw(functions)} (i32.const {draw(st.integers(0, 5))})))")


@st.composite
def modules(draw: st.DrawFn) -> str:
    """A module whose initializer writes memories, globals and tables, grows them, uses and drops passive segments."""
    memories = draw(st.lists(st.tuples(st.booleans(), st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=3))
    fields, steps = [], []
    for number, (is_64, minimum, more) in enumerate(memories):
        kind = "i64 " if is_64 else ""
        fields.append(f"(memory $m{number} {kind}{minimum} {minimum + more})")
        address = "i64" if is_64 else "i32"
        for _ in range(draw(st.integers(0, 2))):
            delta = draw(st.integers(0, 3))
            steps.append(f"(drop (memory.grow $m{number} ({address}.const {delta})))")
        if minimum:
            last = minimum * 65536 - 8
            places = st.one_of(st.integers(0, 64), st.integers(0, last), st.just(last))
            for _ in range(draw(st.integers(0, 6))):
                value = draw(st.integers(-(1 << 63), (1 << 63) - 1) | st.sampled_from([0, 1, 255]))
                place = draw(places)
                steps.append(f"(i64.store $m{number} ({address}.const {place}) (i64.const {value}))")
            for _ in range(draw(st.integers(0, 2))):
                text = "".join(f"\\{byte:02x}" for byte in draw(st.binary(max_size=8)))
                fields.append(f'(data (memory $m{number}) ({address}.const {draw(places)}) "{text}")')
    for number in range(draw(st.integers(0, 3))):
        content = draw(st.binary(max_size=6))
        text = "".join(f"\\{byte:02x}" for byte in content)
        fields.append(f'(data $p{number} "{text}")')
        is_64, minimum, _ = memories[0]
        if minimum and draw(st.booleans()):
            at = f"({'i64' if is_64 else 'i32'}.const {draw(st.integers(0, 1000))})"
            steps.append(f"(memory.init $m0 $p{number} {at} (i32.const 0) (i32.const {len(content)}))")
        if draw(st.booleans()):
            steps.append(f"(data.drop $p{number})")
    for number in range(draw(st.integers(0, 2))):
        _table(draw, number, fields, steps)
    for number in range(draw(st.integers(0, 5))):
        name = draw(st.sampled_from(["i32", "i64", "f32", "f64", "v128"]))
        if name == "v128":
            fields.append(f"(global $g{number} (mut v128) (v128.const i64x2 0 0))")
            low, high = (draw(st.integers(-(1 << 63), (1 << 63) - 1)) for _ in range(2))
            steps.append(f"(global.set $g{number} (v128.const i64x2 {low} {high}))")
            continue
        bits = BITS[name]
        value = draw(st.integers(-(1 << bits - 1), (1 << bits - 1) - 1))
        constant = f"(i{bits}.const {value})"
        fields.append(f"(global $g{number} (mut {name}) ({name}.const 0))")
        steps.append(f"(global.set $g{number} {constant if name[0] == 'i' else f'({VALUES[name]} {constant})'})")
    order = draw(st.permutations(steps))
    cut = draw(st.integers(0, len(order)))
    start = f"(start $start) (func $start {' '.join(order[:cut])})" if draw(st.booleans()) and cut else ""
    rest = order[cut:] if start else order
    return f'(module {" ".join(fields)} {start} (func (export "preinit_initialize") {" ".join(rest)}))'
