{ A task library in the manner of the original's, in Pascal: what it is asked for is a string. }
library task;

uses
  cthreads,
  Windows,
  SysUtils,
  hxzlib,
  I_GenericStream in '..\..\Interface\I_GenericStream.pas',
  I_Agent in '..\..\Interface\I_Agent.pas',
  hxgridcommon in '..\..\Common\hxgridcommon.pas';

function CopyData(agent: IAgent; sessionId: DWORD; const name: AnsiString;
  outStream: IGenericStream): boolean;
var
  stream: IGenericStream;
begin
  result := false;
  pointer(stream) := nil;
  if agent.GetData(sessionId, pchar(name), stream) <> S_OK then exit;
  Assert(stream.isReadOnly);
  Assert(stream.GetPos = 0);
  outStream.Write(stream.GetBasePointer^, stream.GetLength);
  agent.FreeCachedData(sessionId, pchar(name));
  agent.FreeCachedData(sessionId, nil);
  result := true;
end;

function CheckAgent(agent: IAgent; sessionId: DWORD): boolean;
var
  version: DWORD;
  cs: PRTLCriticalSection;
  path: array[0..MAX_PATH - 1] of char;
begin
  version := 0;
  agent.GetVersion(version);
  Assert(version = $00010001);
  agent.GetGlobalCriticalSection(cs);
  EnterCriticalSection(cs^);
  LeaveCriticalSection(cs^);
  agent.GetSessionCacheDirectory(sessionId, @path[0]);
  result := DirectoryExists(path);
end;

function RunTask(agent: IAgent; sessionId: DWORD; inStream: IGenericStream;
  outStream: IGenericStream): boolean; cdecl;
var
  what: AnsiString;
begin
  result := false;
  what := StreamReadString(inStream);
  if not CheckAgent(agent, sessionId) then exit;
  if what = 'data' then result := CopyData(agent, sessionId, StreamReadString(inStream), outStream)
  else if what = 'wait' then
  begin
    while agent.TestConnection(sessionId) = S_OK do Sleep(1);
  end
  else
  begin
    StreamWriteString(outStream, what);
    result := true;
  end;
end;

procedure EndSession(agent: IAgent; sessionId: DWORD); cdecl;
begin
end;

exports
  RunTask,
  EndSession;

begin
end.
