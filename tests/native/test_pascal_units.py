"""The Pascal units against the C++ headers: methods, arguments, fields, ids, sizes and places."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.native import building

HEADERS = building.INCLUDE / "hxgrid"
UNITS = building.ROOT / "native" / "pascal"
FILES = {
    "IGenericStream": ("IGenericStream.h", "I_GenericStream.pas", 15),
    "IAgent": ("IAgent.h", "I_Agent.pas", 6),
    "IGridUser": ("IGridUser.h", "I_GridUser.pas", 11),
}
STRUCTURES = {
    "TGridUserSettings": ("IGridUser.h", "I_GridUser.pas", 62),
    "TGridUserConnectionStatus": ("IGridUser.h", "I_GridUser.pas", 5),
    "TAgentSettings": ("IAgent.h", "I_Agent.pas", 74),
}
# What each type of the headers is called in the units, as an argument, result or field.
PASCAL = {
    "void": "",
    "HRESULT": "HRESULT",
    "DWORD": "DWORD",
    "WORD": "Word",
    "int": "Integer",
    "float": "Single",
    "bool": "Boolean",
    "char": "AnsiChar",
    "BYTE *": "Pointer",
    "char *": "PAnsiChar",
    "const char *": "PAnsiChar",
    "const void *": "const untyped",
    "void *": "var untyped",
    "DWORD *": "var DWORD",
    "bool *": "var Boolean",
    "IGenericStream *": "IGenericStream",
    "IGenericStream **": "var IGenericStream",
    "CRITICAL_SECTION **": "var PRTLCriticalSection",
    "TFinalizeProc *": "TFinalizeProc",
    "TGetDataProc *": "TGetDataProc",
    "TGridUserSettings *": "var TGridUserSettings",
    "TGridUserConnectionStatus *": "var TGridUserConnectionStatus",
}

Method = tuple[str, list[str], str]
Field = tuple[str, str]


def between(path: Path, start: str, end: str) -> str:
    """Return the text of a file from a line to another, without comments."""
    text = re.sub(
        r"/\*.*?\*/|\{[^}$][^}]*\}" if path.suffix == ".pas" else r"/\*.*?\*/",
        "",
        path.read_text(encoding="utf-8"),
        flags=re.DOTALL,
    )
    found = re.search(f"{start}(.*?){end}", text, re.DOTALL)
    assert found is not None, f"{path.name} has no {start}"
    return found[1]


def cpp_type(text: str) -> str:
    """Return the Pascal word for the type in front of a C++ name."""
    words = re.sub(r"\s*=.*", "", text).strip()
    kind = re.sub(r"(\**)\w+$", r"\1", words).strip()
    return PASCAL[re.sub(r"\s*(\*+)$", r" \1", kind)]


def cpp_methods(name: str, header: str) -> list[Method]:
    body = between(HEADERS / header, rf"struct HXG_NOVTABLE {name} : public IUnknown \{{", r"\n\};")
    found = re.findall(r"virtual ([\w *]+?)HXG_STDCALL (\w+)\((.*?)\)", body, re.DOTALL)
    return [
        (method, [cpp_type(one) for one in given.split(",") if one.strip()], cpp_type(f"{kind}x"))
        for kind, method, given in found
    ]


def pascal_methods(name: str, unit: str) -> list[Method]:
    body = between(UNITS / unit, rf"{name} = interface\(IUnknown\)", r"\n  end;")
    found = re.findall(
        r"(?:function|procedure) (\w+)(?:\((.*?)\))?(?:: (\w+))?;\s*stdcall", body, re.DOTALL
    )
    return [(method, pascal_arguments(given), kind) for method, given, kind in found]


def pascal_arguments(text: str) -> list[str]:
    arguments = []
    for one in filter(None, (part.strip() for part in text.split(";"))):
        names, _, kind = re.sub(r"\s*=.*", "", one).partition(":")
        way = names.split()[0] if " " in names else ""
        arguments.append(f"{way} {kind.strip() or 'untyped'}".strip())
    return arguments


def cpp_fields(name: str, header: str) -> list[Field]:
    body = between(HEADERS / header, rf"struct {name} \{{", r"\n\};")
    found = re.findall(r"(\w+) (\w+)(\[\d+\])?;", body)
    return [(field, PASCAL[kind] + room) for kind, field, room in found]


def pascal_fields(name: str, unit: str) -> list[Field]:
    body = between(UNITS / unit, rf"{name} = packed record", r"\n  end;")
    found = re.findall(r"(\w+): (?:array\[0\.\.(\d+)\] of )?(\w+);", body)
    return [(field, kind + (f"[{int(last) + 1}]" if last else "")) for field, last, kind in found]


@pytest.mark.parametrize("name", FILES)
def test_methods_have_the_same_names_order_arguments_and_results(name: str) -> None:
    header, unit, count = FILES[name]
    assert pascal_methods(name, unit) == cpp_methods(name, header)
    assert len(pascal_methods(name, unit)) == count


@pytest.mark.parametrize("name", FILES)
def test_interfaces_have_the_same_ids(name: str) -> None:
    header, unit, _ = FILES[name]
    number = re.search(r"IUNKNOWN_METHODS_PURE\(0x(\w+)", (HEADERS / header).read_text())
    assert number is not None
    assert f"['{{{number[1]}-0000-0000-0000-000000000000}}']" in (UNITS / unit).read_text()


@pytest.mark.parametrize("name", STRUCTURES)
def test_structures_have_the_same_fields(name: str) -> None:
    header, unit, _ = STRUCTURES[name]
    assert pascal_fields(name, unit) == cpp_fields(name, header)


@pytest.mark.system("g++", "fpc")
def test_every_field_is_at_the_same_place(tmp_path: Path) -> None:
    fields = {
        name: [field for field, _ in cpp_fields(name, header)]
        for name, (header, _, _) in STRUCTURES.items()
    }
    cpp, pascal = ["#include <hxgrid/hxGridInterface.h>\n#include <cstdio>\nint main() {"], []
    for name, names in fields.items():
        pascal.append(f"WriteLn(SizeOf({name}));")
        cpp.append(f'std::printf("%zu\\n", sizeof({name}));')
        for field in names:
            pascal.append(
                f"WriteLn(PtrUInt(@{name}(nil^).{field}), ' ', SizeOf({name}(nil^).{field}));"
            )
            cpp.append(
                f'std::printf("%zu %zu\\n", offsetof({name}, {field}), sizeof({name}::{field}));'
            )
    said = [run_cpp(tmp_path, [*cpp, "}"]), run_pascal(tmp_path, pascal)]
    assert said[0] == said[1]
    sizes = [int(line) for line in said[0].splitlines() if " " not in line]
    assert sizes == [size for _, _, size in STRUCTURES.values()]


def run_cpp(folder: Path, lines: list[str]) -> str:
    source, target = folder / "places.cpp", folder / "places_cpp"
    source.write_text("\n".join(lines), encoding="utf-8")
    building.run(["g++", "-std=c++11", f"-I{building.INCLUDE}", str(source), "-o", str(target)])
    return building.run([str(target)])


def run_pascal(folder: Path, lines: list[str]) -> str:
    source, target = folder / "places.pas", folder / "places_pascal"
    uses = "{$mode delphi} uses I_GenericStream, I_Agent, I_GridUser;"
    variables = "".join(f"p{name}: ^{name};" for name in STRUCTURES)
    body = "\n".join(re.sub(r"(T\w+)\(nil\^\)", r"p\1^", line) for line in lines)
    source.write_text(f"program places; {uses} var {variables} begin\n{body}\nend.\n")
    building.run(["fpc", "-v0", f"-Fu{UNITS}", f"-FU{folder}", f"-o{target}", str(source)])
    return building.run([str(target)])
