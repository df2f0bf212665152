"""What functions get of texts, lists and numbers: the guest prints what it was given."""

from __future__ import annotations

import pytest

from preinit import Call, Host, Options, Result, Returned, Word, argv, build, strings
from preinit.errors import InitializerRefused, InitializerType, UnknownExport
from preinit.options.calls import call_of
from tests.support.modules import wasm

#: Prints texts, and arrays of them; allocates upwards with what `{allocator}` is.
GUEST = """(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (global $free (mut i32) (i32.const 2048))
  (func $take (param $size i32) (result i32) (local $place i32)
    (local.set $place (global.get $free))
    (global.set $free (i32.and (i32.add (i32.add (local.get $place) (local.get $size)) (i32.const 15)) (i32.const -8)))
    (local.get $place))
  {allocator}
  (func $out (param $text i32) (param $size i32)
    (i32.store (i32.const 16) (local.get $text)) (i32.store (i32.const 20) (local.get $size))
    (drop (call $write (i32.const 1) (i32.const 16) (i32.const 1) (i32.const 24)))
    (i32.store8 (i32.const 32) (i32.const 10))
    (i32.store (i32.const 16) (i32.const 32)) (i32.store (i32.const 20) (i32.const 1))
    (drop (call $write (i32.const 1) (i32.const 16) (i32.const 1) (i32.const 24))))
  (func $text (export "text") (param $text i32) (local $end i32)
    (local.set $end (local.get $text))
    (block $done (loop $more
      (br_if $done (i32.eqz (i32.load8_u (local.get $end))))
      (local.set $end (i32.add (local.get $end) (i32.const 1))) (br $more)))
    (call $out (local.get $text) (i32.sub (local.get $end) (local.get $text))))
  (func (export "main") (param $count i32) (param $array i32) (result i32)
    (block $done (loop $more
      (br_if $done (i32.eqz (i32.load (local.get $array))))
      (call $text (i32.load (local.get $array)))
      (local.set $array (i32.add (local.get $array) (i32.const 4)))
      (local.set $count (i32.sub (local.get $count) (i32.const 1))) (br $more)))
    (local.get $count))
  (func (export "list") (param $array i32) (param $count i32)
    (block $done (loop $more
      (br_if $done (i32.eqz (local.get $count)))
      (call $out (i32.load (local.get $array)) (i32.load offset=4 (local.get $array)))
      (local.set $array (i32.add (local.get $array) (i32.const 8)))
      (local.set $count (i32.sub (local.get $count) (i32.const 1))) (br $more))))
  (func (export "number") (param $number f64) (result f64) (local.get $number))
  (func (export "same") (param $number f64) (if (f64.ne (local.get $number) (f64.const 0.5)) (then (unreachable))))
  (func (export "place") (result i32) (i32.store (i32.const 512) (i32.const 77)) (i32.const 508))
  (func (export "word") (param $whole i32) (param $there i32)
    (if (i32.ne (local.get $whole) (i32.const 508)) (then (unreachable)))
    (if (i32.ne (local.get $there) (i32.const 77)) (then (unreachable))))
  (func (export "nothing"))
)"""

MALLOC = '(func (export "malloc") (param i32) (result i32) (call $take (local.get 0)))'
OWN = {
    "allocate": '(func (export "allocate") (param i32) (result i32) (call $take (local.get 0)))',
    "my_malloc": '(func (export "my_malloc") (param i32) (result i32) (call $take (local.get 0)))',
    "__wbindgen_malloc": """(func (export "__wbindgen_malloc") (param i32 i32) (result i32)
      (if (i32.ne (local.get 1) (i32.const 8)) (then (unreachable))) (call $take (local.get 0)))""",
    "grow": """(func (export "grow") (param i32 i32 i32 i32) (result i32) (call $take (local.get 3)))""",
}


def printed(*calls: str | Call, allocator: str = MALLOC, **options: object) -> str:
    """What the guest prints for calls, which are written as users do."""
    output = bytearray()
    made = [call_of(call, lambda name: name.encode()) if isinstance(call, str) else call for call in calls]
    if "allocator_name" in options:
        options["allocator"] = options.pop("allocator_name")
    given: dict[str, object] = {"init_funcs": made, "host": Host(stdout=output.extend), "cache": False, **options}
    build(wasm(GUEST.replace("{allocator}", allocator)), Options(**given))  # type: ignore[arg-type]
    return output.decode()


def test_a_text_is_given_as_the_address_of_a_copy_that_ends() -> None:
    assert printed('text("héllo")', r'text("a\"b")', Call("text", "from Python"), 'text("")') == (
        'héllo\na"b\nfrom Python\n\n'
    )


def test_an_argument_vector_has_its_number_and_ends_with_null() -> None:
    assert printed('main(argv["program", "-x", "two words"])=0') == "program\n-x\ntwo words\n"
    assert printed("main(argv[])=0", Call("main", argv("a", "b"), returns=0)) == "a\nb\n"


def test_a_list_of_strings_has_addresses_and_lengths() -> None:
    assert printed('list(list["ruby", "-e", ""])', Call("list", strings("a\0b"))) == "ruby\n-e\n\na\0b\n"


def test_what_the_call_before_returned_is_given() -> None:
    printed("place", "word(*, *4)")
    printed("place", Call("word", Returned(), Word(4)))
    printed("number(0.5)", "same(*)")


@pytest.mark.parametrize(
    ("calls", "said"),
    [
        (["place", "same(*)"], "the call before returned i32, and type f64 is needed"),
        (["nothing", "text(*)"], "the call before returned nothing, and type i32 is needed"),
        (["text(*)"], "the call before returned: there is none, and type i32 is needed"),
        (["number(\"text\")"], "data is given as addresses and lengths of 32 bits, not as f64"),
        (["main(\"one\")"], "takes 2 arguments, 1 would be given"),
        (["main(argv[], 1)"], "takes 2 arguments, 3 would be given"),
        (["nothing()=0"], "has one result, a number, and this one has another type"),
        (["main(1,2)=x"], "the number that must be returned"),
        (["main(argv[])=0.5"], "'0.5' is not a number of type i32"),
    ],
)  # fmt: skip
def test_arguments_and_results_that_do_not_fit_are_refused(calls: list[str], said: str) -> None:
    with pytest.raises((InitializerType, ValueError)) as caught:
        printed(*calls)
    assert said in str(caught.value)


def test_another_result_than_the_expected_one_fails_the_build() -> None:
    printed("number(0.5)=0.5")
    with pytest.raises(InitializerRefused, match=r"'number' returned 0\.5, and its call says 0\.25"):
        printed("number(0.5)=0.25")
    with pytest.raises(InitializerRefused, match="'place' returned 508, and its call says -1"):
        printed("place()=-1")


@pytest.mark.parametrize("name", OWN)
def test_other_allocators_can_be_named(name: str) -> None:
    assert printed('text("a")', 'main(argv["b"])', allocator=OWN[name], allocator_name=name) == "a\nb\n"


def test_one_allocator_more_is_known() -> None:
    assert printed('text("a")', allocator=OWN["allocate"]) == "a\n"


def test_an_allocator_that_is_none_is_refused() -> None:
    with pytest.raises(UnknownExport, match="no function 'nowhere' that could allocate") as unknown:
        printed('text("a")', allocator_name="nowhere")
    assert unknown.value.hint == "The module exports 'malloc', which is found by itself: leave `allocator` out."
    with pytest.raises(UnknownExport) as unknown:
        printed('text("a")', allocator=OWN["my_malloc"], allocator_name="mymalloc")
    assert "`allocator=\"NAME\"`. Exports whose type fits: 'my_malloc'" in str(unknown.value.hint)
    with pytest.raises(InitializerType, match=r"'number' of type .* can't allocate memory"):
        printed('text("a")', allocator_name="number")
    with pytest.raises(InitializerType, match="exports nothing that allocates memory") as caught:
        printed('text("a")', allocator="")
    assert 'allocator="NAME"' in str(caught.value)


def test_a_report_says_what_was_given() -> None:
    calls = [call_of(text, str.encode) for text in ('text("a\nb")', 'main(argv["x"])=0', "place", "word(*,*4)")]
    result: Result = build(wasm(GUEST.replace("{allocator}", MALLOC)), init_funcs=calls, quiet_guest=True, cache=False)
    assert [run.arguments for run in result.report.runs] == [('"a\\nb"',), ('argv["x"]',), (), ("*", "*4")]
    recorded = result.report.options["init_funcs"]
    assert recorded[1] == {"name": "main", "arguments": [{"argv": ["x"]}], "returns": "0"}
