from __future__ import annotations

import pytest

from hxgrid import ids


@pytest.mark.parametrize("make", [ids.new_session_id, ids.new_ticket, ids.new_boot_id])
def test_ids_have_128_bits_and_never_repeat(make: object) -> None:
    assert callable(make)
    made = {make() for _ in range(100)}
    assert len(made) == 100
    assert all(ids.is_hex_id(one) for one in made)


@pytest.mark.parametrize("text", ["", "0" * 31, "0" * 33, "G" * 32, "A" * 32, "0" * 32 + "\n"])
def test_other_texts_are_no_ids(text: str) -> None:
    assert not ids.is_hex_id(text)
    with pytest.raises(ValueError, match="not a 128-bit id"):
        ids.id_to_bytes(text)


def test_an_id_goes_to_bytes_and_back() -> None:
    session_id = ids.new_session_id()
    data = ids.id_to_bytes(session_id)
    assert len(data) == 16
    assert ids.id_from_bytes(data) == session_id


def test_bytes_of_another_length_are_no_id() -> None:
    with pytest.raises(ValueError, match="16 bytes, not 15"):
        ids.id_from_bytes(b"x" * 15)
