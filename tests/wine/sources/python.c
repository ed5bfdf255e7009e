/* python.exe: the interpreter is a library; this calls its main function. */
#include <windows.h>

int wmain(int count, wchar_t **arguments) {
    HMODULE library = LoadLibraryW(L"python311.dll");
    if (library == NULL) return 127;
    return ((int (*)(int, wchar_t **))(void *)GetProcAddress(library, "Py_Main"))(count, arguments);
}
