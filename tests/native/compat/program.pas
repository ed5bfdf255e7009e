{ A program in the manner of the original's, in Delphi's Pascal: every method of IGridUser, its units
  named by the folders of the original's tree, and Delphi's habits with references. }
program compat;

{$mode delphi}

uses
  cthreads,
  Windows,
  SysUtils,
  hxScktComp,
  I_GenericStream in '..\..\Interface\I_GenericStream.pas',
  I_Agent in '..\..\Interface\I_Agent.pas',
  I_GridUser in '..\..\Interface\I_GridUser.pas',
  T_GenericStream in '..\..\Interface\T_GenericStream.pas',
  hxgridcommon in '..\..\Common\hxgridcommon.pas';

const
  module: pchar = 'libtask.dll';

var
  user: IGridUser;
  finalized: longint;
  kept: IGenericStream;

procedure Finalize(stream: IGenericStream); cdecl;
begin
  Assert(stream.GetPos = 0);
  Assert(stream.GetLength = 4 + 11);
  Assert(StreamReadString(stream) = 'from Pascal');
  InterlockedIncrement(finalized);
end;

{ An assignment keeps it. }
procedure FinalizeKeep(stream: IGenericStream); cdecl;
begin
  kept := stream;
end;

procedure FinalizeData(stream: IGenericStream); cdecl;
begin
  Assert(stream.GetLength = 8000);
  InterlockedIncrement(finalized);
end;

procedure GetData(dataDesc: pchar; var stream: IGenericStream); cdecl;
var
  index: integer;
begin
  Assert(stream = nil);
  if StrIComp(dataDesc, 'geometry, 100%') <> 0 then exit;
  pointer(stream) := pointer(IGenericStream(TGenericStream.Create));
  for index := 1 to 1000 do stream.Write(pchar('geometry')^, 8);
  user.CompressStream(stream);
end;

procedure CheckSettings;
var
  settings, again: TGridUserSettings;
begin
  Assert(sizeof(settings) = 62);
  Assert(sizeof(TGridUserConnectionStatus) = 5);
  Assert(sizeof(TAgentSettings) = 74);
  user.GetSettings(settings);
  settings.maxSendAheadTasks := 10;
  settings.compressThreshold := 1000;
  settings.agentMinFreeMemoryFactor := 1.25;
  settings.failSuspendTimeout := 1500;
  settings.sendDublicateTasks := false;
  settings.user_broadcast_port := 4206;
  user.SetSettings(settings);
  user.GetSettings(again);
  Assert(CompareByte(settings, again, sizeof(settings)) = 0);
end;

procedure CheckTasks;
var
  stream: IGenericStream;
  taskId, version: DWORD;
  index: integer;
  complete: boolean;
begin
  user.GetVersion(version);
  Assert(version = $00010000);
  user.IsComplete(complete);
  Assert(complete);
  for index := 1 to 30 do
  begin
    { Leaves one count too many, as in the original's examples. }
    stream := TGenericStream.Create;
    StreamWriteString(stream, 'from Pascal');
    Assert(user.RunTask(module, 'RunTask', stream, Finalize, taskId, true) = S_OK);
    pointer(stream) := nil;
  end;
  pointer(stream) := pointer(IGenericStream(TGenericStream.Create));
  StreamWriteString(stream, 'kept');
  Assert(user.RunTask(module, 'RunTask', stream, FinalizeKeep, taskId, true) = S_OK);
  pointer(stream) := nil;
  Assert(user.WaitForCompletion = S_OK);
  Assert(finalized = 30);
  kept.Seek(0);
  Assert(StreamReadString(kept) = 'kept');
  kept := nil;
end;

procedure CheckFullQueue;
var
  settings: TGridUserSettings;
  stream: IGenericStream;
  taskId: DWORD;
  index: integer;
  complete: boolean;
begin
  finalized := 0;
  user.GetSettings(settings);
  settings.maxQueqedTasks := 1;
  settings.allowSwapping := false;
  user.SetSettings(settings);
  for index := 1 to 10 do
  begin
    pointer(stream) := pointer(IGenericStream(TGenericStream.Create));
    StreamWriteString(stream, 'from Pascal');
    { The same stream again, until there is room for it. }
    while user.RunTask(module, 'RunTask', stream, Finalize, taskId, false) = S_FALSE do
      user.WaitForCompletionEvent(100);
    pointer(stream) := nil;
  end;
  repeat
    user.WaitForCompletionEvent(100);
    user.IsComplete(complete);
  until complete;
  Assert(finalized = 10);
  settings.maxQueqedTasks := 500;
  user.SetSettings(settings);
end;

procedure CheckDataAndCancel;
var
  stream: IGenericStream;
  status: TGridUserConnectionStatus;
  taskId: DWORD;
  index: integer;
begin
  finalized := 0;
  user.BindGetDataCallback(GetData);
  pointer(stream) := pointer(IGenericStream(TGenericStream.Create));
  StreamWriteString(stream, 'data');
  StreamWriteString(stream, 'geometry, 100%');
  Assert(user.RunTask(module, 'RunTask', stream, FinalizeData, taskId, true) = S_OK);
  pointer(stream) := nil;
  Assert(user.WaitForCompletion = S_OK);
  Assert(finalized = 1);
  for index := 1 to 5 do
  begin
    pointer(stream) := pointer(IGenericStream(TGenericStream.Create));
    StreamWriteString(stream, 'wait');
    Assert(user.RunTask(module, 'RunTask', stream, nil, taskId, true) = S_OK);
    pointer(stream) := nil;
  end;
  Assert(user.CancelTasks = S_OK);
  user.GetConnectionStatus(status);
  Assert(status.connectedAgentsCount = 1);
end;

{ What is written for a library that is loaded by its name. }
procedure CheckLibrary;
var
  dll: HINST;
begin
  dll := LoadLibrary('hxGridUserDLL.dll');
  Assert(dll <> 0);
  Assert(GetProcAddress(dll, 'CreateGridUserObject') <> nil);
end;

{ With an argument: the settings alone. }
begin
  CheckLibrary;
  IGridUser_Create(user);
  Assert(user <> nil);
  CheckSettings;
  if ParamCount = 0 then
  begin
    CheckTasks;
    CheckFullQueue;
    CheckDataAndCancel;
  end;
  user := nil;
  WriteLn('done');
end.
