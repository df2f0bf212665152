"""Random programs that can be paused anywhere: each calls `t.tick`, whose answers decide what it does next.

They nest blocks, loops, conditions, catches and jump tables, with operands below them and several results; they hold
numbers of all types and references to functions, and call through tables.
"""

from __future__ import annotations

from random import Random

#: Locals of every function: three numbers of the program, one that counts iterations, one of each other type.
_LOCALS = "(local i32 i32 i32 i64 f64 v128 f32 funcref externref)"
_I32, _FUEL, _I64, _F64, _V128, _F32, _FUNCREF = 3, 3, 4, 5, 6, 7, 8


class Program:
    """One program, from a seed. `exceptions`: whether it throws and catches; `typed`: whether it calls references."""

    def __init__(self, seed: int, exceptions: bool = True, typed: bool = True) -> None:
        self._random = Random(seed)
        self._exceptions = exceptions
        self._typed = typed
        self._labels = 0
        self._budget = 0
        self._callees: list[int] = []

    def text(self) -> str:
        """The program in the text format."""
        functions = []
        count = self._random.randrange(2, 6)
        for number in range(count):
            self._callees = list(range(number))
            self._budget = 40
            body = self._statements(4, [], 4)
            functions.append(f"(func $f{number} (type $unary) {_LOCALS} {body} (i32.add (local.get 0) (local.get 1)))")
        names = " ".join(f"$f{number}" for number in range(count))
        tag = "(tag $e (param i32)) (tag $two (param i64 i32))" if self._exceptions else ""
        return f"""(module
  (type $unary (func (param i32) (result i32)))
  (type $pair (func (param i32) (result i32 i64)))
  (import "t" "tick" (func $tick (param i32) (result i32)))
  (memory (export "memory") 1) {tag}
  (table funcref (elem {names}))
  (global $g (mut i32) (i32.const 0)) (global $h (mut f64) (f64.const 0.5))
  (func $pair (type $pair) (call $tick (local.get 0)) (i64.const 77))
  {chr(10).join(functions)}
  (func (export "_start")
    (drop (call $f{count - 1} (i32.const 3)))
    (drop (call $tick (global.get $g)))
    (drop (call $tick (i32.trunc_sat_f64_s (global.get $h))))))"""

    # -- expressions ---------------------------------------------------------------------------------------------------

    def _expression(self, depth: int) -> str:
        random = self._random
        choice = random.random()
        if depth <= 0 or choice < 0.25:
            return random.choice([f"(local.get {random.randrange(4)})", f"(i32.const {random.randrange(-9, 99)})"])
        below = depth - 1
        if choice < 0.43:
            return f"(call $tick {self._expression(below)})"
        if choice < 0.52 and self._callees:
            return f"(call $f{random.choice(self._callees)} {self._expression(below)})"
        if choice < 0.58 and self._callees:
            index = random.choice(self._callees)
            return f"(call_indirect (type $unary) {self._expression(below)} (i32.const {index}))"
        if choice < 0.62 and self._typed and self._callees:
            cast = f"(ref.func $f{random.choice(self._callees)})"
            return f"(call_ref $unary {self._expression(below)} {cast})"
        if choice < 0.65:
            return f"(ref.is_null (local.get {_FUNCREF}))"
        if choice < 0.72:
            return f"(i32.wrap_i64 {self._of_i64(below)})"
        if choice < 0.78:
            return f"(i32.trunc_sat_f64_s {self._of_f64(below)})"
        if choice < 0.81:
            return f"(i32.trunc_sat_f32_u {self._of_f32(below)})"
        if choice < 0.87:
            parts = " ".join(self._expression(below) for _ in range(3))
            return f"(select {parts})"
        if choice < 0.91:
            return f"(i32x4.extract_lane {random.randrange(4)} {self._of_v128(below)})"
        operation = random.choice(["add", "sub", "xor", "mul", "lt_s"])
        return f"(i32.{operation} {self._expression(below)} {self._expression(below)})"

    def _of_i64(self, depth: int) -> str:
        added = f"(i64.add (local.get {_I64}) (i64.extend_i32_s {self._expression(depth - 1)}))"
        constant = f"(i64.const {self._random.randrange(-(2**40), 2**40)})"
        return self._random.choice([f"(local.get {_I64})", added, constant])

    def _of_f64(self, depth: int) -> str:
        scaled = f"(f64.mul (local.get {_F64}) (f64.convert_i32_s {self._expression(depth - 1)}))"
        return self._random.choice(
            [f"(local.get {_F64})", scaled, "(f64.const -0.0)", "(f64.const nan:0x8000000001234)", "(global.get $h)"]
        )

    def _of_f32(self, depth: int) -> str:
        added = f"(f32.add (local.get {_F32}) (f32.convert_i32_u {self._expression(depth - 1)}))"
        return self._random.choice([f"(local.get {_F32})", added, "(f32.const -inf)", "(f32.const nan:0x200001)"])

    def _of_v128(self, depth: int) -> str:
        splat = f"(i32x4.splat {self._expression(depth - 1)})"
        return self._random.choice([f"(local.get {_V128})", splat, f"(i32x4.add (local.get {_V128}) {splat})"])

    # -- statements ----------------------------------------------------------------------------------------------------

    def _statements(self, depth: int, labels: list[str], number: int | None = None) -> str:
        return "\n".join(self._statement(depth, labels) for _ in range(number or self._random.randrange(1, 4)))

    def _statement(self, depth: int, labels: list[str]) -> str:
        """`labels`: those of blocks without results that are open, no loop's."""
        random = self._random
        self._budget -= 1
        if depth <= 0 or self._budget <= 0:
            return f"(local.set {random.randrange(_I32)} {self._expression(2)})"
        below = depth - 1
        self._labels += 1
        label = f"$l{self._labels}"
        makers = [
            lambda: f"(local.set {random.randrange(_I32)} {self._expression(2)})",
            self._others,
            lambda: f"(global.set $g (i32.add (global.get $g) {self._expression(2)}))",
            lambda: f"(block {label} {self._statements(below, [*labels, label])})",
            lambda: self._loop(label, below, labels),
            lambda: (
                f"(if {label} {self._expression(1)} (then {self._statements(below, [*labels, label])}) "
                f"(else {self._statements(below, [*labels, label])}))"
            ),
            lambda: self._operands_below(label, below, labels),
            lambda: self._loop_with_operands(label, below, labels),
            lambda: self._catch(label, below, labels),
            lambda: self._leave(labels),
            lambda: (
                f"{self._expression(2)} (call $pair {self._expression(1)}) (local.set {_I64}) i32.add "
                f"(local.set {random.randrange(_I32)})"
            ),
        ]
        return random.choices(makers, (18, 9, 8, 10, 13, 10, 9, 7, 10, 8, 5))[0]()

    def _others(self) -> str:
        index = self._random.choice(self._callees) if self._callees else 0
        reference = self._random.choice(
            [f"(table.get (i32.const {index}))", "(ref.null func)", f"(ref.func $f{index})"]
        )
        return (
            f"(local.set {_I64} {self._of_i64(2)}) (local.set {_F64} {self._of_f64(2)}) (local.set {_V128} "
            f"{self._of_v128(2)}) (local.set {_F32} {self._of_f32(2)}) (local.set {_FUNCREF} {reference}) "
            "(global.set $h (f64.add (global.get $h) (f64.const 1.5)))"
        )

    def _fuel(self, label: str, most: int) -> tuple[str, str]:
        counted = f"(local.set {_FUEL} (i32.add (local.get {_FUEL}) (i32.const 1)))"
        return counted, f"(br_if {label} (i32.lt_s (local.get {_FUEL}) (i32.const {self._random.randrange(2, most)})))"

    def _loop(self, label: str, depth: int, labels: list[str]) -> str:
        counted, again = self._fuel(label, 30)
        return f"(loop {label} {counted} {self._statements(depth, labels)} {again})"

    def _operands_below(self, label: str, depth: int, labels: list[str]) -> str:
        return (
            f"{self._expression(2)} (f64.const 1.25) {self._expression(2)} (block {label} (param i32) (result i32) "
            f"(local.set 1) {self._statements(depth, labels)} {self._expression(2)}) "
            f"(local.set {self._random.randrange(_I32)}) drop (local.set {self._random.randrange(_I32)})"
        )

    def _loop_with_operands(self, label: str, depth: int, labels: list[str]) -> str:
        counted, again = self._fuel(label, 25)
        return (
            f"{self._expression(1)} (i64.const 5) {self._expression(2)} {self._expression(2)} "
            f"(loop {label} (param i32 i32) (result i32 i64) (local.set 0) (local.set 1) {counted} "
            f"{self._statements(depth, labels)} {self._expression(1)} {self._expression(1)} {again} (drop) "
            f"{self._of_i64(1)}) (local.set {_I64}) (local.set 2) (drop) (local.set {self._random.randrange(_I32)})"
        )

    def _catch(self, label: str, depth: int, labels: list[str]) -> str:
        body = self._statements(depth, labels)
        if not self._exceptions:
            return f"(block {label} {body})"
        thrown = f"(if (i32.eqz (i32.and {self._expression(1)} (i32.const 3))) (then (throw $e {self._expression(1)})))"
        both = "(if (i32.eqz (i32.and (local.get 0) (i32.const 7))) (then (throw $two (i64.const 9) (local.get 1))))"
        where = self._random.randrange(_I32)
        return self._random.choice(
            [
                f"(block {label} (result i32) (try_table (result i32) (catch $e {label}) {body} {thrown} "
                f"{self._expression(1)})) (local.set {where})",
                f"(block {label}all (block {label} (result i64 i32) (try_table (catch $two {label}) (catch_all "
                f"{label}all) {body} {thrown} {both}) (i64.const 1) {self._expression(1)}) (local.set {where}) "
                f"(local.set {_I64}))",
                f"(block {label} (result exnref) (try_table (catch_all_ref {label}) {body} {both}) "
                f"(ref.null exn)) (drop)",
            ]
        )

    def _leave(self, labels: list[str]) -> str:
        if not labels:
            return f"(drop {self._expression(2)})"
        if self._random.random() < 0.6:
            return f"(br_if {self._random.choice(labels)} (i32.eqz {self._expression(1)}))"
        table = " ".join(self._random.choice(labels) for _ in range(3))
        return f"(if {self._expression(1)} (then (br_table {table} {self._expression(1)})))"
