"""The PNG writer against a reader that knows no more than the specification."""

from __future__ import annotations

import numpy as np
import pytest
from hxgrid_examples.png import encode_png

from tests.unit.examples import pictures


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_it_decodes_to_what_was_written(kind: type[np.uint8 | np.uint16], channels: int) -> None:
    pixels = np.random.default_rng(1).integers(0, np.iinfo(kind).max, (5, 7, channels), kind)
    found = pictures.decoded_png(encode_png(pixels))
    assert found.dtype == kind
    assert np.array_equal(found, pixels)


def test_one_row_and_a_part_of_a_larger_picture_are_written_too() -> None:
    pixels = np.arange(24, dtype=np.uint8).reshape(4, 2, 3)
    assert np.array_equal(pictures.decoded_png(encode_png(pixels[:1])), pixels[:1])
    assert np.array_equal(pictures.decoded_png(encode_png(pixels[::-1])), pixels[::-1])


def test_words_come_along_and_strange_letters_do_no_harm() -> None:
    made = encode_png(np.zeros((1, 1, 3), np.uint8), {"Zoom": "1e30", "Title": "\u03c0"})
    assert pictures.png_chunks(made)[1:3] == [
        (b"tEXt", b"Zoom\0" + b"1e30"),
        (b"tEXt", b"Title\0?"),
    ]
