"""Messages that name options of the command line, as a caller of the library reads them."""

from __future__ import annotations

from pathlib import Path

import pytest

from preinit import build, errors
from preinit.options.words import in_python


@pytest.mark.parametrize(
    "text",
    [
        "the input 'my -f notes.wasm' can't be read",
        "'/tmp/--strict/x.wasm' isn't 'it's -f x', and doesn't end",
        'the file "my -f it\'s.wasm" is no file',
        "see /tmp/--strict/x.wasm",
        "Raise that limit of the shell (`ulimit -f unlimited`).",
        "Run `wasm-opt in.wasm -all -t 3 -o out.wasm`.",
        "Link with `-Wl,--stack-first`.",
    ],
)
def test_texts_of_others_stay_as_they_are(text: str) -> None:
    assert in_python(text) == text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Write --dir HOST[::GUEST].", 'Write `dirs={"HOST": "GUEST"}`.'),
        ("`--env NAME[=VALUE]`", '`env={"NAME": "VALUE"}`'),
        ("it can't: leave out `--scrub-stack`, don't", "it can't: leave out `scrub_stack=True`, don't"),
        ("of 'a -f b', the modules' `--imports define`", "of 'a -f b', the modules' `imports=\"define\"`"),
        (
            "leave `--late env` out, or give --late env,args, too",
            'leave `late=["env"]` out, or give `late=["env", "args"]`, too',
        ),
        ("Give all again: -f 'NAME(@FILE)'.", 'Give all again: `init_funcs=["NAME(@FILE)"]`.'),
    ],
)
def test_options_become_fields_as_a_whole(text: str, words: str) -> None:
    assert in_python(text) == words


@pytest.mark.parametrize("name", ["my -f notes.wasm", "it's --strict.wasm", "--strict/x.wasm"])
def test_a_name_with_an_option_in_it_is_said_as_it_is(tmp_path: Path, name: str) -> None:
    with pytest.raises(errors.Unreadable) as caught:
        build(tmp_path / name)
    assert f"the input '{tmp_path / name}' can't be read" in caught.value.what


def test_running_nothing_is_an_empty_list_in_python() -> None:
    assert in_python("Run none: `--no-init-func`.") == "Run none: `init_funcs=[]`."
