"""The bytes of a journal: whatever is cut off or spoilt, what is read was written."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from hxgrid.user import journal_format as fmt
from hxgrid.user.journal_format import Head, Kind, Node

Entry = tuple[bytes, bytes, int]

_entries = st.lists(
    st.tuples(st.binary(min_size=16, max_size=16), st.binary(max_size=40), st.integers(0, 9)),
    max_size=5,
)


def _file(entries: Sequence[Entry]) -> bytes:
    records = [
        fmt.pack_record(Kind.RESULT, body, key=key, node=node, raw_bytes=len(body))
        for key, body, node in entries
    ]
    return fmt.pack_file_head() + b"".join(records)


def _scan(data: bytes) -> list[Head]:
    found = []
    for head, _ in fmt.scan(lambda at, size: data[at : at + size], len(data)):
        found.append(head)
    return found


def _read_back(data: bytes) -> list[Entry]:
    return [
        (head.key, data[head.body_at : head.body_at + head.body_bytes], head.node)
        for head in _scan(data)
    ]


@given(_entries)
def test_cut_at_any_byte_it_gives_the_records_before(entries: Sequence[Entry]) -> None:
    whole = _file(entries)
    ends = [fmt.FILE_BYTES] + [head.end_at for head in _scan(whole)]
    assert ends[-1] == len(whole)
    for size in range(fmt.FILE_BYTES, len(whole) + 1):
        read = _read_back(whole[:size])

        assert read == entries[: sum(end <= size for end in ends) - 1]


@given(_entries, st.data())
def test_a_spoilt_byte_never_gives_what_was_not_written(
    entries: Sequence[Entry], data: st.DataObject
) -> None:
    whole = bytearray(_file(entries))
    at = data.draw(st.integers(fmt.FILE_BYTES, max(fmt.FILE_BYTES, len(whole) - 1)))
    if at < len(whole):
        whole[at] ^= data.draw(st.integers(1, 255))

    read = _read_back(bytes(whole))

    assert read == entries[: len(read)]


@given(_entries, st.binary(max_size=100))
def test_garbage_behind_the_last_record_is_not_read(
    entries: Sequence[Entry], garbage: bytes
) -> None:
    assert _read_back(_file(entries) + garbage)[: len(entries)] == entries


def test_a_body_does_not_fit_another_head() -> None:
    one = fmt.pack_record(Kind.RESULT, b"same", key=b"1" * 16)
    other = fmt.pack_record(Kind.RESULT, b"same", key=b"2" * 16)

    mixed = fmt.pack_file_head() + one[: fmt.HEAD_BYTES] + other[fmt.HEAD_BYTES :]

    assert _scan(mixed) == []


@given(st.integers(0, 100), st.text(), st.sampled_from(["", "ab" * 32]))
def test_a_node_comes_back_as_it_was(parent: int, name: str, digest: str) -> None:
    node = Node(parent + 1, parent, name, digest)
    data = fmt.pack_file_head() + fmt.pack_node(node)

    [(head, body)] = fmt.scan(lambda at, size: data[at : at + size], len(data))

    assert fmt.read_node(head, body) == node


def test_a_node_before_its_parent_makes_no_sense() -> None:
    data = fmt.pack_node(Node(3, 3, "x", ""))
    head = fmt.read_head(data, 0)
    assert head is not None

    assert fmt.read_node(head, data[fmt.HEAD_BYTES : -fmt.TAIL_BYTES]) is None


def test_the_beginning_tells_a_journal_its_version_and_what_may_become_one() -> None:
    head = fmt.pack_file_head()

    assert fmt.version_of(head) == fmt.VERSION
    assert fmt.version_of(b"something else entirely") is None
    assert all(fmt.may_become_journal(head[:size]) for size in range(len(head)))
    assert not fmt.may_become_journal(b"text")
