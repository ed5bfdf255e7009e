"""What a Python object *is*, as a digest that is the same in the next run of the same program.

A pickle will not do: sets are written in the order of their hashes, which differ between runs,
classes of `__main__` get random marks, a notebook's cells are compiled under other file names each
time, and two equal strings count as one or two by chance. So an object is walked here, and what it
consists of is hashed in an order of its own: sets by the digests of their elements, functions by
their code, constants, defaults, captured and global variables. What can be imported elsewhere is
hashed by its name, and the version of its distribution; the caller adds the digests of source files
that travel. File names and line numbers are left out: a function that was only moved is the same.

The digest errs on one side: objects that are told apart may be equal, but what has one digest
behaves alike (but for code that looks at its own line numbers). What cannot be walked, such as a
lock or an open file, has no digest: `NoIdentity`.
"""

from __future__ import annotations

import copyreg
import dis
import functools
import marshal
import sys
from collections.abc import Callable, Iterable
from types import (
    BuiltinFunctionType,
    CellType,
    CodeType,
    FunctionType,
    MappingProxyType,
    ModuleType,
)
from typing import Any, Final

from hxgrid.modules import travel
from hxgrid.streams.digests import new_hash

_PLAIN: Final = frozenset({int, float, complex, bool, str, bytes, type(None)})
_MARSHAL: Final = 2
"""The last version whose bytes do not depend on which equal objects are one."""
_PROTOCOL: Final = 4
_MAIN: Final = frozenset({"__main__", "__mp_main__"})
_NOT_OF_A_CLASS: Final = frozenset(
    {
        "__dict__",
        "__weakref__",
        "__module__",
        "__doc__",
        "__annotations__",
        "__annotations_cache__",
        "__annotate_func__",
        "__annotate__",
        "__firstlineno__",
        "__static_attributes__",
        "_abc_impl",
    }
)
"""What a class has that says nothing about how it behaves, or cannot be walked."""
_GLOBAL_OPS: Final = frozenset({"LOAD_GLOBAL", "LOAD_NAME", "STORE_GLOBAL", "DELETE_GLOBAL"})


class NoIdentity(Exception):
    """The object, or one that it consists of, cannot be told from others of its kind."""


def identity_of(value: object) -> tuple[bytes, frozenset[str]]:
    """Return the digest of an object, and the modules that it refers to by name.

    Raises `NoIdentity`. Runs code of the object's class, as pickling does.
    """
    walk = _Walk()
    try:
        walk.add(value)
    except NoIdentity:
        raise
    except RecursionError as error:
        raise NoIdentity("it is nested too deeply") from error
    except Exception as error:
        raise NoIdentity(f"{type(error).__name__}: {error}") from error
    return walk.digest(), frozenset(walk.modules)


class _Walk:
    """One walk through an object. Each part is preceded by what it is and how long."""

    def __init__(self) -> None:
        self._hash = new_hash()
        self._numbers: dict[int, int] = {}  # of objects that were met, by identity
        self._alive: list[object] = []  # or the identity of one might be given to another
        self.modules: set[str] = set()

    def digest(self) -> bytes:
        return self._hash.digest()

    def add(self, value: Any) -> None:
        kind = type(value)
        if kind in _PLAIN:
            self._put(b"p", marshal.dumps(value, _MARSHAL))
        elif kind is tuple and _is_flat(value):
            self._flat(value)
        else:
            number = self._numbers.get(id(value))
            if number is not None:
                self._put(b"@", b"%d" % number)
                return
            self._numbers[id(value)] = len(self._numbers)
            self._alive.append(value)
            self._add_new(kind, value)

    def _add_new(self, kind: type, value: Any) -> None:
        special = _SPECIAL.get(kind)
        if special is not None:
            special(self, value)
        elif isinstance(value, type):
            self._class(value)
        else:
            self._object(value)

    def _flat(self, value: Any) -> None:
        # At the speed of C: a list of a million numbers is an everyday argument.
        self._put(b"f", marshal.dumps(value, _MARSHAL))

    def _put(self, mark: bytes, data: Any = b"") -> None:
        self._hash.update(b"%s%d:" % (mark, len(data)))
        self._hash.update(data)

    def _many(self, mark: bytes, values: Iterable[Any]) -> None:
        held = list(values)
        self._put(mark, b"%d" % len(held))
        for value in held:
            self.add(value)

    # -- containers

    def _list(self, value: list[Any]) -> None:
        if _is_flat(value):
            self._flat(value)
        else:
            self._many(b"l", value)

    def _tuple(self, value: tuple[Any, ...]) -> None:
        self._many(b"t", value)

    def _dict(self, value: dict[Any, Any]) -> None:
        if _is_flat(value):
            self._flat(value)
        else:
            self._pairs(b"d", value.items())

    def _proxy(self, value: MappingProxyType[Any, Any]) -> None:
        self._dict(dict(value))

    def _pairs(self, mark: bytes, items: Iterable[tuple[Any, Any]]) -> None:
        self._many(mark, (part for item in items for part in item))

    def _set(self, value: Any) -> None:
        mark = b"s" if type(value) is set else b"z"
        self._put(mark, b"".join(sorted(self._alone(element) for element in value)))

    def _alone(self, value: object) -> bytes:
        """Return the digest of something whose place among others is not known."""
        digest, modules = identity_of(value)
        self.modules |= modules
        return digest

    def _bytes(self, value: Any) -> None:
        self._put(b"b", bytes(value))

    # -- code

    def _function(self, value: FunctionType) -> None:
        if self._is_named(value):
            return
        self._put(b"F", value.__qualname__.encode())
        self.add(value.__code__)
        self.add(value.__defaults__)
        self.add(value.__kwdefaults__)
        self._many(b"c", value.__closure__ or ())
        used = sorted(_globals_of(value.__code__) & value.__globals__.keys())
        self._pairs(b"g", [(name, value.__globals__[name]) for name in used])
        self._items(vars(value))

    def _code(self, value: CodeType) -> None:
        numbers = (
            value.co_argcount,
            value.co_posonlyargcount,
            value.co_kwonlyargcount,
            value.co_flags,
        )
        names = (value.co_names, value.co_varnames, value.co_freevars, value.co_cellvars)
        self._put(b"C", sys.implementation.cache_tag.encode())
        self.add((numbers, names, value.co_name, value.co_code))
        self.add(getattr(value, "co_exceptiontable", b""))
        self._many(b"k", value.co_consts)

    def _cell(self, value: CellType) -> None:
        try:
            contents = value.cell_contents
        except ValueError:
            self._put(b"e")  # not filled yet
        else:
            self.add(contents)

    def _wrapped(self, value: Any) -> None:
        self._put(b"w", type(value).__name__.encode())
        self.add(value.__func__)

    def _property(self, value: property) -> None:
        self._many(b"y", (value.fget, value.fset, value.fdel))

    def _builtin(self, value: Any) -> None:
        owner = value.__self__
        if owner is None or isinstance(owner, ModuleType):
            self._name(value.__module__ or "builtins", value.__qualname__)
        else:
            self._put(b"m", value.__name__.encode())
            self.add(owner)

    def _module(self, value: ModuleType) -> None:
        self._name(value.__name__, "")

    def _class(self, value: type) -> None:
        if self._is_named(value):
            return
        self._put(b"T", value.__qualname__.encode())
        self.add(type(value))
        self._many(b"B", value.__bases__)
        self._items({k: v for k, v in vars(value).items() if k not in _NOT_OF_A_CLASS})

    def _is_named(self, value: Any) -> bool:
        """Hash what can be imported elsewhere by its name, and say whether it can."""
        module, name = getattr(value, "__module__", None), value.__qualname__
        if not isinstance(module, str) or not _leads_to(module, name, value):
            return False
        self._name(module, name)
        return True

    def _name(self, module: str, name: str) -> None:
        if module in _MAIN:
            raise NoIdentity(f"it refers to {name or 'all'} of the module __main__ by name")
        self.modules.add(module)
        self._put(b"n", f"{module}:{name}:{_version_of(module.partition('.')[0])}".encode())

    # -- all others

    def _object(self, value: Any) -> None:
        reducer = copyreg.dispatch_table.get(type(value))
        reduced = reducer(value) if reducer is not None else value.__reduce_ex__(_PROTOCOL)
        if isinstance(reduced, str):
            module = getattr(value, "__module__", None)
            if not isinstance(module, str) or not _leads_to(module, reduced, value):
                raise NoIdentity(f"{reduced!r} does not lead to it")
            self._name(module, reduced)
            return
        function, arguments, *others = reduced
        self._put(b"o", b"%d" % len(others))
        self.add(function)
        self.add(arguments)
        for index, other in enumerate(others):
            if index == 0 and type(other) is dict:
                self._items(other)
            elif index in (1, 2) and other is not None:
                self.add(list(other))
            else:
                self.add(other)

    def _items(self, attributes: Any) -> None:
        """Hash attributes; the order in which they were set says nothing."""
        if all(type(name) is str for name in attributes):
            self._pairs(b"a", sorted(attributes.items(), key=_first))
        else:
            self._dict(attributes)


_SPECIAL: Final[dict[type, Callable[[_Walk, Any], None]]] = {
    list: _Walk._list,  # noqa: SLF001 - a table of the class's own methods
    tuple: _Walk._tuple,  # noqa: SLF001
    dict: _Walk._dict,  # noqa: SLF001
    set: _Walk._set,  # noqa: SLF001
    frozenset: _Walk._set,  # noqa: SLF001
    bytearray: _Walk._bytes,  # noqa: SLF001
    FunctionType: _Walk._function,  # noqa: SLF001
    BuiltinFunctionType: _Walk._builtin,  # noqa: SLF001
    CodeType: _Walk._code,  # noqa: SLF001
    CellType: _Walk._cell,  # noqa: SLF001
    ModuleType: _Walk._module,  # noqa: SLF001
    staticmethod: _Walk._wrapped,  # noqa: SLF001
    classmethod: _Walk._wrapped,  # noqa: SLF001
    property: _Walk._property,  # noqa: SLF001
    MappingProxyType: _Walk._proxy,  # noqa: SLF001
}


def _is_flat(value: Any) -> bool:
    parts = [*value.keys(), *value.values()] if type(value) is dict else value
    return set(map(type, parts)) <= _PLAIN


def _first(item: tuple[str, Any]) -> str:
    return item[0]


@functools.lru_cache(maxsize=4096)
def _globals_of(code: CodeType) -> frozenset[str]:
    """Names of global variables that a function may use, those of functions inside it too."""
    names = {each.argval for each in dis.get_instructions(code) if each.opname in _GLOBAL_OPS}
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            names |= _globals_of(constant)
    return frozenset(names)


def _leads_to(module: str, name: str, value: object) -> bool:
    if module in _MAIN or "<" in name:
        return False
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return found is value


@functools.cache
def _version_of(top: str) -> str:
    """Version of an installed package here; empty for those whose source travels."""
    if top in sys.stdlib_module_names or top == "builtins":
        return ""
    return travel.version_of(top)
