{ A task in the manner of the original's sources. }
library originaltask;

uses
  cthreads,
  Windows,
  hxzlib,
  hxScktComp,
  I_GenericStream in '..\..\Interface\I_GenericStream.pas',
  I_Agent in '..\..\Interface\I_Agent.pas',
  I_GridUser in '..\..\Interface\I_GridUser.pas',
  T_GenericStream in '..\..\Interface\T_GenericStream.pas',
  hxgridcommon in '..\..\Common\hxgridcommon.pas';

function RunTask(agent: IAgent; sessionId: DWORD; inStream: IGenericStream;
  outStream: IGenericStream): boolean; cdecl;
var
  n, start: DWORD;
  cs: PRTLCriticalSection;
  library_: HINST;
begin
  start := GetTickCount;
  inStream.Read(n, 4);
  library_ := LoadLibrary('nothing of this name');
  if library_ <> 0 then GetProcAddress(library_, 'nothing');
  agent.GetGlobalCriticalSection(cs);
  EnterCriticalSection(cs^);
  LeaveCriticalSection(cs^);
  n := n + (start - start);
  outStream.Write(n, sizeof(n));
  StreamWriteString(outStream, 'done');
  result := agent.TestConnection(sessionId) = S_OK;
end;

exports
  RunTask;

begin
end.
