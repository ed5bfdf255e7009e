"""Pickling what leaves the application, and noticing which modules it refers to.

Unpickling on the other side imports what is pickled by reference. For packages of the
application's own source tree that only works if their files travel along, so the pickler
collects the name of every module that it meets.
"""

from __future__ import annotations

import io
import pickle
from types import ModuleType
from typing import Any

import cloudpickle

PROTOCOL = pickle.HIGHEST_PROTOCOL

_PLAIN = frozenset({int, float, complex, bool, str, bytes, bytearray, type(None)})


class _Collector(cloudpickle.Pickler):  # type: ignore[misc]  # cloudpickle has no annotations
    """Pickles by value what cannot be imported elsewhere, and collects module names."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file, protocol=PROTOCOL)
        self.modules: set[str] = set()

    def reducer_override(self, obj: Any) -> Any:
        """See each object that is not of a built-in kind, before it is reduced."""
        if isinstance(obj, ModuleType):
            self.modules.add(obj.__name__)
        else:
            module = getattr(obj, "__module__", None)
            self.modules.add(module if isinstance(module, str) else type(obj).__module__)
        return super().reducer_override(obj)


def dumps(obj: object) -> tuple[bytes, frozenset[str]]:
    """Pickle an object; gives the bytes and the modules that unpickling may import.

    Raises whatever pickling raises: it depends on the object.
    """
    file = io.BytesIO()
    pickler = _Collector(file)
    pickler.dump(obj)
    return file.getvalue(), frozenset(pickler.modules - {"builtins", "__main__", "__mp_main__"})


def is_plain(value: object) -> bool:
    """Say whether the value is a number, a text or bytes, so that any pickler will do."""
    return type(value) in _PLAIN
