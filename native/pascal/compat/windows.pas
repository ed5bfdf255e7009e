{ windows: what sources written for the original use of the unit Windows, on systems that have none.

  Only for those systems: do not put this folder on the unit path on Windows. }
unit windows;

{$mode delphi}

interface

uses
  dynlibs;

const
  S_OK = 0;
  S_FALSE = 1;
  MAX_PATH = 260;

type
  DWORD = System.DWORD;
  UINT = LongWord;
  BOOL = LongBool;
  HINST = TLibHandle;
  HMODULE = TLibHandle;
  THandle = System.THandle;
  TRTLCriticalSection = System.TRTLCriticalSection;
  PRTLCriticalSection = System.PRTLCriticalSection;

{ Milliseconds since some moment; wraps around after 49.7 days, as there. }
function GetTickCount: DWORD;
procedure Sleep(milliseconds: DWORD);
function LoadLibrary(name: PAnsiChar): HINST;
function GetProcAddress(module: HINST; name: PAnsiChar): Pointer;
function FreeLibrary(module: HINST): BOOL;
procedure InitializeCriticalSection(var section: TRTLCriticalSection);
procedure EnterCriticalSection(var section: TRTLCriticalSection);
procedure LeaveCriticalSection(var section: TRTLCriticalSection);
procedure DeleteCriticalSection(var section: TRTLCriticalSection);

implementation

uses
  sysutils;

function GetTickCount: DWORD;
begin
  Result := DWORD(GetTickCount64);
end;

procedure Sleep(milliseconds: DWORD);
begin
  sysutils.Sleep(milliseconds);
end;

{ The original's library for applications has another name on systems other than Windows. }
function LoadLibrary(name: PAnsiChar): HINST;
begin
  if SameText(AnsiString(name), 'hxGridUserDLL.dll') then
    name := {$ifdef DARWIN}'libhxgriduser.dylib'{$else}'libhxgriduser.so'{$endif};
  Result := dynlibs.LoadLibrary(AnsiString(name));
end;

function GetProcAddress(module: HINST; name: PAnsiChar): Pointer;
begin
  Result := dynlibs.GetProcAddress(module, AnsiString(name));
end;

function FreeLibrary(module: HINST): BOOL;
begin
  Result := dynlibs.UnloadLibrary(module);
end;

procedure InitializeCriticalSection(var section: TRTLCriticalSection);
begin
  InitCriticalSection(section);
end;

procedure EnterCriticalSection(var section: TRTLCriticalSection);
begin
  System.EnterCriticalSection(section);
end;

procedure LeaveCriticalSection(var section: TRTLCriticalSection);
begin
  System.LeaveCriticalSection(section);
end;

procedure DeleteCriticalSection(var section: TRTLCriticalSection);
begin
  DoneCriticalSection(section);
end;

end.
