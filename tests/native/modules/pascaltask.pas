{ Tasks in Pascal, as the tests of the task library want them. }
library pascaltask;

{$mode delphi}

uses
  cthreads, sysutils, I_GenericStream, I_Agent, T_GenericStream, hxgridcommon;

var
  starts, guarded: DWORD;

procedure StartSession(agent: IAgent; sessionId: DWORD); cdecl;
begin
  Inc(starts);
end;

function Echo(agent: IAgent; sessionId: DWORD; inStream, outStream: IGenericStream): Boolean; cdecl;
begin
  outStream.Write(inStream.GetBasePointer^, inStream.GetLength);
  Result := True;
end;

function Refuse(agent: IAgent; sessionId: DWORD; inStream, outStream: IGenericStream): Boolean;
  cdecl;
begin
  Result := False;
end;

{ Everything of the agent, and a text through a stream of the task's own. }
function Ask(agent: IAgent; sessionId: DWORD; inStream, outStream: IGenericStream): Boolean; cdecl;
var
  version, answer, index: DWORD;
  data, own: IGenericStream;
  path: array[0..MAX_PATH - 1] of AnsiChar;
  section: PRTLCriticalSection;
begin
  Result := False;
  if agent.GetVersion(version) <> S_OK then Exit;
  outStream.Write(version, 4);
  answer := agent.TestConnection(sessionId);
  outStream.Write(answer, 4);
  answer := agent.TestConnection(sessionId + 1);
  outStream.Write(answer, 4);
  if agent.GetData(sessionId, 'data', data) <> S_OK then Exit;
  answer := data.GetLength;
  outStream.Write(answer, 4);
  data := nil;
  if agent.FreeCachedData(sessionId, nil) <> S_OK then Exit;
  if agent.GetSessionCacheDirectory(sessionId, path) <> S_OK then Exit;
  if agent.GetGlobalCriticalSection(section) <> S_OK then Exit;
  for index := 1 to 10000 do
  begin
    EnterCriticalSection(section^);
    Inc(guarded);
    LeaveCriticalSection(section^);
  end;
  outStream.Write(starts, 4);
  own := TGenericStream.Create;
  StreamWriteString(own, path);
  own.Seek(0);
  StreamWriteString(outStream, StreamReadString(own));
  Result := True;
end;

function RunUntilStopped(agent: IAgent; sessionId: DWORD; inStream, outStream: IGenericStream):
  Boolean; cdecl;
begin
  while agent.TestConnection(sessionId) = S_OK do ;
  Result := False;
end;

function RaiseIt(agent: IAgent; sessionId: DWORD; inStream, outStream: IGenericStream): Boolean;
  cdecl;
begin
  raise Exception.Create('nobody catches this');
end;

{ The calls of a list as the tests pack them, on a stream made here: u8 what, u32 how much. }
function PlayOnOwnStream(agent: IAgent; sessionId: DWORD; inStream, outStream: IGenericStream):
  Boolean; cdecl;
var
  stream: IGenericStream;
  what: Byte;
  count, position: DWORD;
  bytes: array of Byte;
begin
  stream := TGenericStream.Create;
  while inStream.Read(what, 1) = 1 do
  begin
    inStream.Read(count, 4);
    System.SetLength(bytes, count + 1);
    case what of
      0: begin FillChar(bytes[0], count, 65 + count mod 26); stream.Write(bytes[0], count); end;
      1: stream.Read(bytes[0], count);
      2: stream.Seek(count);
      3: stream.Skip(count);
      4: stream.SetLength(count);
      5: stream.GrowToPos(Integer(count));
      6: stream.GrowToPos;
      7: stream.Clear;
      8: stream.FastClear;
      9: stream.Compact;
    end;
  end;
  position := stream.GetPos;
  outStream.Write(position, 4);
  if stream.GetLength > 0 then outStream.Write(stream.GetBasePointer^, stream.GetLength);
  Result := True;
end;

exports
  StartSession, Echo, Refuse, Ask, RunUntilStopped, RaiseIt, PlayOnOwnStream;

begin
end.
