"""What a guest prints: what is kept of it, and what is known of it again."""

from __future__ import annotations

from preinit.host.output import MOST_REPLAYED, Head, Output
from preinit.options import Host


def collecting() -> tuple[Host, list[bytes], list[bytes]]:
    output: list[bytes] = []
    error: list[bytes] = []
    return Host(stdout=output.append, stderr=error.append), output, error


def test_what_is_printed_piece_by_piece_is_kept_as_one_piece_for_each_stream_in_a_row() -> None:
    host, printed, errors = collecting()
    output = Output(host, 0, pauses=True, replays=True)
    for stream in (output.to_output, output.to_error, output.to_output):
        for _ in range(1000):
            stream(b"x")
        stream(b"")
    assert [(stream, len(data)) for stream, data in output.kept] == [(1, 1000), (2, 1000), (1, 1000)]
    assert (len(b"".join(printed)), len(b"".join(errors))) == (2000, 1000)


def test_nothing_is_kept_where_nobody_prints_it_again() -> None:
    output = Output(collecting()[0], 0, pauses=True)
    output.to_output(b"hello")
    assert not output.kept
    assert output.heads and [head.size for head in output.heads] == [5, 0]


def test_of_more_than_can_be_printed_again_one_byte_more_is_kept() -> None:
    output = Output(collecting()[0], 0, replays=True)
    for _ in range(20):
        output.to_error(bytes(100_000))
    assert [(stream, len(data)) for stream, data in output.kept] == [(2, MOST_REPLAYED + 1)]
    assert output.total == 2_000_000


def test_what_comes_after_a_known_beginning_is_found_by_a_digest_of_it() -> None:
    head = Head()
    head.add(b"bef")
    head.add(b"ore")
    assert head.left_out_of(b"before, after") == b", after"
    assert head.left_out_of(b"before") == b""
    assert head.left_out_of(b"befor") == b"befor"
    assert head.left_out_of(b"behind, after") == b"behind, after"
