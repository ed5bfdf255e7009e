"""The server of the examples' pages: who gets in, and what gets through."""

from __future__ import annotations

import http.client
import json
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from examples import pages
from examples.pages import Answer, Page, in_json, with_bytes


class Echo(Page):
    def get(self, name: str, query: str) -> Answer | None:
        return in_json({"query": query}) if name == "echo" else None

    def post(self, name: str, words: dict[str, Any]) -> Answer | None:
        return in_json(words) if name == "echo" else None


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    folder = tmp_path / "page"
    folder.mkdir()
    (tmp_path / "secret.js").write_text("beside the folder")
    (folder / "index.html").write_text("<!doctype html>")
    (folder / "main.js").write_text("run()")
    (folder / "notes.txt").write_text("no part of a page")
    with Echo("test", folder) as made:
        yield made


class Reply:
    """An answer, read whole."""

    def __init__(self, page: Page, method: str, path: str, body: str | None, **headers: str):
        connection = http.client.HTTPConnection(urlsplit(page.url).netloc, timeout=30)
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, given)
        answer = connection.getresponse()
        self.status, self.body, self.headers = answer.status, answer.read(), answer.headers
        connection.close()


def root(page: Page) -> str:
    return urlsplit(page.url).path


def get(page: Page, name: str, **headers: str) -> Reply:
    return Reply(page, "GET", root(page) + name, None, **headers)


def post(page: Page, name: str, body: str, **headers: str) -> Reply:
    headers = {"Content_Type": "application/json", **headers}
    return Reply(page, "POST", root(page) + name, body, **headers)


@pytest.mark.parametrize(
    ("name", "kind", "body"),
    [
        ("", "text/html; charset=utf-8", b"<!doctype html>"),
        ("main.js", "text/javascript; charset=utf-8", b"run()"),
        ("echo?a=1", "application/json", b'{"query": "a=1"}'),
    ],
)
def test_files_and_answers_come(page: Page, name: str, kind: str, body: bytes) -> None:
    reply = get(page, name)
    assert (reply.status, reply.headers["Content-Type"], reply.body) == (200, kind, body)


def test_every_answer_forbids_what_is_from_elsewhere(page: Page) -> None:
    for reply in (get(page, ""), get(page, "echo"), get(page, "none"), Reply(page, "GET", "/", "")):
        policy = reply.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert reply.headers["X-Content-Type-Options"] == "nosniff"
        assert reply.headers["Referrer-Policy"] == "no-referrer"
        assert reply.headers["Cache-Control"] == "no-store"
        assert "Python" not in reply.headers["Server"]


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/", {}),
        ("*", {}),
        ("/wrong/", {}),
        ("/wrong/echo", {}),
        ("{secret}", {}),
        ("/{secret}", {}),
        ("/{secret}/", {"Host": "example.com"}),
        ("/{secret}/", {"Host": "127.0.0.1:1"}),
        ("/{secret}/", {"Host": "127.0.0.1"}),
        ("/{secret}/", {"Origin": "http://example.com"}),
        ("/{secret}/echo", {"Origin": "null"}),
        ("/{secret}x/echo", {}),
        ("/\u00e4/echo", {}),
    ],
)
def test_strangers_get_nothing(page: Page, path: str, headers: dict[str, str]) -> None:
    path = path.format(secret=root(page).strip("/"))
    for method in ("GET", "POST"):
        more = {"Content_Type": "application/json", **headers}
        # Sent by hand: a library would mend such paths.
        reply = Raw(page, method, path, more)
        assert (reply.status, reply.body) == (403, b"Not yours.\n")


class Raw:
    """The answer to a request that is sent letter by letter."""

    def __init__(self, page: Page, method: str, path: str, headers: dict[str, str]) -> None:
        address = urlsplit(page.url)
        lines = {"Host": address.netloc, "Content_Length": "2", **headers}
        text = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in lines.items())
        with socket.create_connection((address.hostname, address.port), timeout=30) as link:
            link.sendall(f"{method} {path} HTTP/1.0\r\n{text}\r\n{{}}".encode("latin-1"))
            answer = http.client.HTTPResponse(link)
            answer.begin()
            self.status, self.body = answer.status, answer.read()


def test_the_page_itself_may_say_where_it_comes_from(page: Page) -> None:
    port = urlsplit(page.url).port
    for host in ("127.0.0.1", "localhost"):
        reply = get(page, "echo", Host=f"{host}:{port}", Origin=f"http://{host}:{port}")
        assert reply.status == 200


@pytest.mark.parametrize(
    "name",
    ["../secret.js", "%2e%2e/secret.js", "notes.txt", "page", "main.js/", "x/main.js", "ech"],
)
def test_nothing_else_is_served(page: Page, name: str) -> None:
    assert get(page, name).status == 404
    assert post(page, name, "{}").status == 404


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        ("{}", {"Content_Type": "text/plain"}),
        ("{}", {"Origin": "http://example.com"}),
        ("{}", {"Content_Length": "-1"}),
        ("{}", {"Content_Length": "many"}),
        ("x" * 70_000, {}),
    ],
)
def test_only_json_of_a_sane_size_is_taken(page: Page, body: str, headers: dict[str, str]) -> None:
    assert post(page, "echo", body, **headers).status == 403


@pytest.mark.parametrize("body", ["", "{", "[" * 60_000, "\u0000"])
def test_words_that_are_none_are_refused(page: Page, body: str) -> None:
    reply = post(page, "echo", body)
    assert reply.status == 400
    assert "no JSON" in json.loads(reply.body)["error"]


def test_words_reach_the_program(page: Page) -> None:
    assert json.loads(post(page, "echo", '{"a": [1]}').body) == {"a": [1]}
    assert json.loads(post(page, "echo", "[1]").body) == {}


def test_a_page_without_answers_of_its_own_has_its_files(page: Page, tmp_path: Path) -> None:
    with Page("plain", tmp_path / "page") as plain:
        assert get(plain, "main.js").status == 200
        assert get(plain, "echo").status == 404
        assert post(plain, "echo", "{}").status == 404


def test_each_page_has_an_address_that_nobody_can_guess(page: Page, tmp_path: Path) -> None:
    other = Page("other", tmp_path / "page")
    with other:
        assert len(root(other).strip("/")) >= 24
        assert root(other) != root(page)
        assert Reply(other, "GET", root(page), None).status == 403


def test_a_program_that_says_nothing_is_sent_away(
    page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "LONGEST_PAUSE_S", 0.05)
    with Page("hasty", tmp_path / "page") as hasty:
        address = urlsplit(hasty.url)
        with socket.create_connection((address.hostname, address.port), timeout=30) as link:
            link.sendall(b"GET / HT")
            assert link.recv(100) == b""


def test_facts_and_bytes_keep_numbers_at_multiples_of_four() -> None:
    for name in ("a", "ab", "abc", "abcd"):
        body = with_bytes({name: 1}, [b"12", b"34"]).body
        (size,) = struct.unpack_from("<I", body)
        assert size % 4 == 0
        assert json.loads(body[4 : 4 + size]) == {name: 1}
        assert body[4 + size :] == b"1234"


def test_a_connection_is_for_one_request_and_a_closed_page_has_none(
    page: Page, tmp_path: Path
) -> None:
    with Page("short", tmp_path / "page") as short:
        address = urlsplit(short.url)
        request = f"GET {address.path} HTTP/1.1\r\nHost: {address.netloc}\r\n\r\n"
        with socket.create_connection((address.hostname, address.port), timeout=30) as link:
            link.sendall(request.encode())
            with link.makefile("rb") as file:
                assert file.read().endswith(b"<!doctype html>")  # up to the end of the connection
    with pytest.raises(ConnectionRefusedError):
        get(short, "")
