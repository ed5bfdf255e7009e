from __future__ import annotations

import pytest

from hxgrid.settings import split_address


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("pc7", "pc7", 4100),
        ("pc7.example:5", "pc7.example", 5),
        ("10.0.0.1:65535", "10.0.0.1", 65535),
        ("::1", "::1", 4100),
        ("[fe80::1%eth0]", "fe80::1%eth0", 4100),
        ("[::1]:4200", "::1", 4200),
    ],
)
def test_an_address_is_a_host_and_perhaps_a_port(text: str, host: str, port: int) -> None:
    assert split_address(text, 4100) == (host, port)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":1",
        "pc7:",
        "pc7:0",
        "pc7:65536",
        "pc7:x",
        "[::1",
        "[::1]x",
        "a b",
        "tcp://pc7:1",
        "a:b:c",
        "[a:b]",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not HOST|has no port|lacks|where :PORT"):
        split_address(text, 4100)
