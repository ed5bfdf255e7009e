"""The headers compile alone, in every order, by every compiler, with every warning an error."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from tests.native import building, calling

C_HEADERS = ["hxg_abi.h", "hxg_types.h", "hxgrid_task.h", "hxgrid.h"]
CPP_HEADERS = [*C_HEADERS, "IUnknown.h", "IGenericStream.h", "IAgent.h", "IGridUser.h"]
CPP_HEADERS += ["hxGridInterface.h"]
STRICT = ["-fsyntax-only", "-Wall", "-Wextra", "-Wshadow", "-Werror", f"-I{building.INCLUDE}"]

# What only a use of the macros and templates shows.
C_USE = """
HXG_TASK(UseC) {
    uint32_t number = 0;
    HxStream *data;
    if (!hxg_go_on(agent, session_id) || !hxg_read_u32(in, &number)) return 0;
    data = hxg_get_data(agent, session_id, "name");
    hxg_release(data);
    hxg_write(out, hxg_bytes(in), hxg_length(in));
    hxg_write_u32(out, number);
    hxg_write_string(out, "text");
    return hxg_read(in, &number, 4) != 0;
}
"""
CPP_USE = """
IID used() { return IAgent::iid(); }
HXGRID_TASK(UseCpp, task) {
    const auto number = task.in.read<std::uint32_t>();
    task.check();
    const auto data = task.get_data("name");
    task.out.write(number);
    task.out.write_string(task.in.read_string() + task.cache_directory());
    task.out.write_vector(task.in.read_vector<float>());
    task.free_cached_data("name");
}
#if !defined(HXG_NO_WINDOWS_H)
HXGRID_TASK(UseLock, task) { hxgrid::GlobalLock lock(task); }

hxgrid::PerSession<hxgrid::SharedData> tables;
hxgrid::PerSession<double> numbers;

HXGRID_TASK(UseSharing, task) {
    const auto table = tables.get(task, "table", [&] { return task.get_data("table"); });
    const std::shared_ptr<const double> number = numbers.get(task, [] { return 5; });
    task.out.write_bytes(table->data(), table->size());
    task.out.write(*number);
}
extern "C" HXG_EXPORT void HXG_CDECL EndSession(IAgent *, DWORD session_id) {
    tables.end(session_id);
}
#endif
"""


def check(folder: Path, text: str, *command: str) -> None:
    suffix = ".c" if command[0].endswith("gcc") or "-xc" in command else ".cpp"
    path = folder / f"use{suffix}"
    path.write_text(text, encoding="utf-8")
    building.run([*command, *STRICT, str(path)])


def installed(*compilers: str) -> list[Any]:
    """Return parameters, each for where its compiler is installed."""
    return [pytest.param(name, marks=pytest.mark.system(name)) for name in compilers]


def including(headers: list[str] | tuple[str, ...]) -> str:
    return "".join(f"#include <hxgrid/{name}>\n" for name in headers)


def test_the_c_header_compiles_with_the_compiler_there_is(tmp_path: Path) -> None:
    for order in itertools.permutations(C_HEADERS):
        check(tmp_path, including(order) + C_USE, building.cc(), "-xc", "-std=c99", "-pedantic")


@pytest.mark.parametrize("compiler", installed("gcc", "clang"))
@pytest.mark.parametrize("standard", ["c99", "c11", "c17", "gnu17"])
def test_the_c_header_is_standard_c(tmp_path: Path, compiler: str, standard: str) -> None:
    check(tmp_path, including(C_HEADERS) + C_USE, compiler, "-xc", f"-std={standard}", "-pedantic")


@pytest.mark.parametrize("compiler", installed("g++", "clang++"))
@pytest.mark.parametrize("standard", ["c++11", "c++14", "c++17", "c++20"])
def test_the_cpp_headers_are_standard_cpp(tmp_path: Path, compiler: str, standard: str) -> None:
    text = including([*CPP_HEADERS, "task.hpp"]) + C_USE + CPP_USE
    check(tmp_path, text, compiler, f"-std={standard}", "-pedantic")
    check(tmp_path, including(["hxgrid.hpp"]), compiler, f"-std={standard}", "-pedantic")


@pytest.mark.system("g++")
@pytest.mark.parametrize("name", [*CPP_HEADERS, "task.hpp", "hxgrid.hpp"])
def test_each_header_stands_alone_and_may_come_twice(tmp_path: Path, name: str) -> None:
    check(tmp_path, including([name, name]), "g++", "-std=c++11", "-pedantic")


@pytest.mark.system("x86_64-w64-mingw32-g++", "i686-w64-mingw32-g++")
@pytest.mark.parametrize("processor", ["x86_64", "i686"])
@pytest.mark.parametrize(
    "options", [[], ["-DHXG_NO_WINDOWS_H"], ["-include", "windows.h"], ["-DWIN32_LEAN_AND_MEAN"]]
)
def test_the_headers_compile_for_windows(
    tmp_path: Path, processor: str, options: list[str]
) -> None:
    compiler = f"{processor}-w64-mingw32"
    check(tmp_path, including(C_HEADERS) + C_USE, f"{compiler}-gcc", "-std=c99", *options)
    text = including([*CPP_HEADERS, "task.hpp"]) + C_USE + CPP_USE
    check(tmp_path, text, f"{compiler}-g++", "-std=c++11", *options)
    # Whoever includes windows.h later must not be surprised.
    check(tmp_path, f"{text}#include <windows.h>\n", f"{compiler}-g++", "-std=c++11")


# The two functions of a standard library that the headers of tasks use; clang brings none.
STRING_H = """
#include <stddef.h>
#if defined(__cplusplus)
extern "C" {
#endif
void *memcpy(void *to, const void *from, size_t count);
size_t strlen(const char *text);
#if defined(__cplusplus)
}
#endif
"""


@pytest.mark.system("clang")
@pytest.mark.parametrize("processor", ["x86_64", "i686"])
def test_the_headers_compile_in_the_manner_of_microsofts_compiler(
    tmp_path: Path, processor: str
) -> None:
    (tmp_path / "string.h").write_text(STRING_H)
    options = [f"--target={processor}-pc-windows-msvc", "-fms-extensions", "-fms-compatibility"]
    options += ["-fms-compatibility-version=19.29", "-ffreestanding", "-DHXG_NO_WINDOWS_H"]
    options += [f"-isystem{tmp_path}"]
    check(tmp_path, including(C_HEADERS) + C_USE, "clang", "-xc", "-std=c11", *options)
    for standard in ("c++14", "c++20"):
        text = including(CPP_HEADERS) + C_USE + "IID used() { return IAgent::iid(); }\n"
        check(tmp_path, text, "clang++", f"-std={standard}", *options)


@pytest.mark.system("x86_64-w64-mingw32-g++", "i686-w64-mingw32-g++")
@pytest.mark.parametrize("processor", ["x86_64", "i686"])
def test_sources_for_the_original_compile_for_windows(tmp_path: Path, processor: str) -> None:
    text = (building.MODULES / "original.cpp").read_text(encoding="utf-8")
    compat = f"-I{building.INCLUDE / 'hxgrid-compat'}"
    # Some words of Microsoft's compiler this one does not know; it says so and goes on.
    compiler = f"{processor}-w64-mingw32-g++"
    check(tmp_path, text, compiler, "-std=c++98", "-Wno-attributes", compat)


@pytest.mark.system("g++")
@pytest.mark.parametrize("standard", ["c++98", "c++11", "c++20"])
def test_sources_for_the_original_compile_here(tmp_path: Path, standard: str) -> None:
    text = (building.MODULES / "original.cpp").read_text(encoding="utf-8")
    compat = f"-I{building.INCLUDE / 'hxgrid-compat'}"
    check(tmp_path, text, "g++", f"-std={standard}", compat)


@pytest.mark.system("x86_64-w64-mingw32-g++", "i686-w64-mingw32-g++")
@pytest.mark.parametrize("processor", ["x86_64", "i686"])
def test_the_library_builds_for_windows(tmp_path: Path, processor: str) -> None:
    flags = ["-std=c99", "-O2", "-shared", *building.WARNINGS, f"-I{building.INCLUDE}"]
    target = str(tmp_path / "hxgridtask.dll")
    compiler = f"{processor}-w64-mingw32-gcc"
    link = ["-lws2_32", "-static-libgcc"]
    building.run([compiler, *flags, *building.library_sources(), "-o", target, *link])
    # Also the library for applications, and a caller of it with the original's name for it.
    user = tmp_path / "hxGridUserDLL.dll"
    building.run([compiler, *flags, *calling.user_sources(), "-o", str(user), *link])
    caller = str(calling.CALLERS / "modern.cpp")
    gpp = f"{processor}-w64-mingw32-g++"
    include = f"-I{building.INCLUDE}"
    building.run([gpp, include, caller, str(user), "-static", "-o", str(tmp_path / "modern.exe")])


@pytest.mark.system("i686-w64-mingw32-g++", "i686-w64-mingw32-objdump")
def test_methods_pop_their_own_arguments_on_32_bit_windows(tmp_path: Path) -> None:
    # stdcall: `ret` names the bytes of the arguments, `this` among them.
    text = "#include <hxgrid/IAgent.h>\n" + "".join(
        f"HRESULT HXG_STDCALL {name}(IAgent *self{more}) {{ (void)self; return 0; }}\n"
        for name, more in (("one", ""), ("three", ", DWORD, const char *"))
    )
    path = tmp_path / "pops.cpp"
    path.write_text(text, encoding="utf-8")
    made = tmp_path / "pops.o"
    building.run(
        ["i686-w64-mingw32-g++", "-O2", "-c", f"-I{building.INCLUDE}", str(path), "-o", str(made)]
    )
    code = building.run(["i686-w64-mingw32-objdump", "-d", str(made)])
    assert [line.split()[-1] for line in code.splitlines() if "ret" in line] == ["$0x4", "$0xc"]


def test_headers_that_differ_in_case_only_are_the_same() -> None:
    compat = building.INCLUDE / "hxgrid-compat"
    by_name: dict[str, set[str]] = {}
    for path in compat.glob("*.h"):
        by_name.setdefault(path.name.lower(), set()).add(path.read_text(encoding="utf-8"))
    assert all(len(texts) == 1 for texts in by_name.values())
