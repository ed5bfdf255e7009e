/* NAME.exe in the folder Scripts: runs `python -m MODULE` with the arguments and handles that it was
   given, as the programs do that pip makes. A job ends Python when this program is ended. */
#include <windows.h>

#include <stdio.h>
#include <wchar.h>

int wmain(void) {
    static wchar_t own[1024], line[32768];
    const wchar_t *rest = GetCommandLineW();
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits = {0};
    STARTUPINFOW start = {0};
    PROCESS_INFORMATION made;
    DWORD status = 127;
    HANDLE job = CreateJobObjectW(NULL, NULL);
    if (GetModuleFileNameW(NULL, own, 1024) == 0) return 127;
    *wcsrchr(own, L'\\') = L'\0';
    *wcsrchr(own, L'\\') = L'\0';
    /* The first word is this program; the others follow as they are. */
    if (*rest == L'"') rest = wcschr(rest + 1, L'"') + 1;
    else rest += wcscspn(rest, L" ");
    _snwprintf(line, 32768, L"\"%ls\\python.exe\" -m %ls%ls", own, MODULE, rest);
    limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
    SetInformationJobObject(job, JobObjectExtendedLimitInformation, &limits, sizeof limits);
    start.cb = sizeof start;
    start.dwFlags = STARTF_USESTDHANDLES;
    start.hStdInput = GetStdHandle(STD_INPUT_HANDLE);
    start.hStdOutput = GetStdHandle(STD_OUTPUT_HANDLE);
    start.hStdError = GetStdHandle(STD_ERROR_HANDLE);
    if (!CreateProcessW(NULL, line, NULL, NULL, TRUE, 0, NULL, NULL, &start, &made)) return 127;
    AssignProcessToJobObject(job, made.hProcess);
    WaitForSingleObject(made.hProcess, INFINITE);
    GetExitCodeProcess(made.hProcess, &status);
    return (int)status;
}
