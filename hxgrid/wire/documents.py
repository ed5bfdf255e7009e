"""Documents: the JSON messages, checked by their pydantic models in both directions.

`read_document` takes what a peer sent: the size is checked first, then the number, then the
schema. A number that this version does not know gives `None` (count it and drop it); a known
number with wrong contents raises `RemoteProtocolError`.
"""

from __future__ import annotations

import typing
from typing import Final, TypeVar

from pydantic import BaseModel, ValidationError

from hxgrid.errors import RemoteProtocolError
from hxgrid.wire import messages
from hxgrid.wire.batches import Buffer
from hxgrid.wire.limits import MAX_JSON_BYTES
from hxgrid.wire.messages import Document, Protocol, Reason

FIRST_DOCUMENT: Final = 32
"""Numbers from here on are documents."""


def _numbered() -> dict[int, type[Document]]:
    found: dict[int, type[Document]] = {}
    for item in vars(messages).values():
        if isinstance(item, type) and issubclass(item, Document) and "number" in item.model_fields:
            found[item.model_fields["number"].default] = item
    return found


BY_NUMBER: Final[dict[int, type[Document]]] = _numbered()
"""Every document of the catalogue by its number."""


def pack_document(document: Document) -> list[bytes]:
    """Make the one frame of a document."""
    number = typing.cast(int, getattr(document, "number"))  # noqa: B009 - Document has none itself
    return [bytes((number,)) + document.model_dump_json(exclude={"number"}).encode()]


def read_document(frame: Buffer) -> Document | None:
    """Read one document; None if its number is unknown to this version."""
    size = len(frame)
    if size < 1 or size > MAX_JSON_BYTES + 1:
        raise RemoteProtocolError(
            f"a document of {size} bytes is outside 1 to {MAX_JSON_BYTES + 1}"
        )
    model = BY_NUMBER.get(frame[0])
    if model is None:
        return None
    return _validate(model, bytes(frame[1:]))


class _Versioned(BaseModel):
    """The one field that all versions of the protocol agree on."""

    protocol: Protocol


def read_protocol(frame: Buffer) -> Protocol | None:
    """Read only the protocol version of a document; None if it has none.

    For documents that `read_document` rejects: another major version may have changed all the rest.
    """
    if not 1 < len(frame) <= MAX_JSON_BYTES + 1:
        return None
    try:
        return _Versioned.model_validate_json(bytes(frame[1:])).protocol
    except ValueError:
        return None


def pack_reason(reason: Reason) -> bytes:
    """Make the payload of a RESULTS record that is not DONE."""
    return reason.model_dump_json().encode()


def read_reason(payload: Buffer) -> Reason:
    """Read the payload of a RESULTS record that is not DONE; empty means nothing was said."""
    if len(payload) == 0:
        return Reason(text="")
    if len(payload) > MAX_JSON_BYTES:
        raise RemoteProtocolError(f"a reason of {len(payload)} bytes is over the limit")
    return _validate(Reason, bytes(payload))


_Model = TypeVar("_Model", bound=BaseModel)


def _validate(model: type[_Model], text: bytes) -> _Model:
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise RemoteProtocolError(f"malformed {model.__name__}: {where}: {first['msg']}") from None
    except ValueError as error:
        raise RemoteProtocolError(f"malformed {model.__name__}: {error}") from None
