{ pascal_user: a caller in the manner of the original's Delphi programs. }
program pascal_user;

{$mode delphi}

uses
  cthreads,
  Windows,
  I_GenericStream in '..\..\Interface\I_GenericStream.pas',
  I_Agent in '..\..\Interface\I_Agent.pas',
  I_GridUser in '..\..\Interface\I_GridUser.pas',
  T_GenericStream in '..\..\Interface\T_GenericStream.pas',
  hxgridcommon in '..\..\Common\hxgridcommon.pas';

var
  user: IGridUser;
  finalized, wrong: LongInt;
  lastText: AnsiString;

procedure Check(holds: Boolean; const what: AnsiString);
begin
  if holds then Exit;
  WriteLn(StdErr, what, ' does not hold');
  Halt(1);
end;

procedure Finalize(stream: IGenericStream); cdecl;
begin
  lastText := StreamReadString(stream);
  if lastText <> 'from Pascal' then InterlockedIncrement(wrong);
  InterlockedIncrement(finalized);
end;

procedure FinalizeData(stream: IGenericStream); cdecl;
begin
  if stream.GetLength <> 8000 then InterlockedIncrement(wrong);
  InterlockedIncrement(finalized);
end;

procedure GetData(dataDesc: PAnsiChar; var stream: IGenericStream); cdecl;
var
  index: Integer;
begin
  Pointer(stream) := Pointer(IGenericStream(TGenericStream.Create));
  for index := 1 to 1000 do stream.Write(PAnsiChar('geometry')^, 8);
end;

procedure RunTasks;
var
  stream: IGenericStream;
  taskId: DWORD;
  index: Integer;
  complete: Boolean;
begin
  complete := False;
  user.IsComplete(complete);
  Check(complete, 'complete at first');
  for index := 1 to 50 do
  begin
    { The habit of the original's examples, which leaves one count too many. }
    stream := TGenericStream.Create;
    StreamWriteString(stream, 'from Pascal');
    taskId := 0;
    Check(user.RunTask('tasks.py', 'echo', stream, Finalize, taskId, True) = S_OK, 'RunTask');
    Check(taskId <> 0, 'a task id');
    Pointer(stream) := nil;
  end;
  Check(user.WaitForCompletion = S_OK, 'WaitForCompletion');
  Check((finalized = 50) and (wrong = 0), 'fifty results');
end;

procedure RunFull;
var
  settings, again: TGridUserSettings;
  stream: IGenericStream;
  taskId: DWORD;
begin
  Assert(SizeOf(settings) = 62);
  user.GetSettings(settings);
  settings.maxQueqedTasks := 1;
  settings.allowSwapping := False;
  user.SetSettings(settings);
  user.GetSettings(again);
  Check(CompareByte(settings, again, 62) = 0, 'the settings that were set');
  Pointer(stream) := Pointer(IGenericStream(TGenericStream.Create));
  Check(user.RunTask('tasks.py', 'endless', stream, nil, taskId, False) = S_OK, 'the first');
  Pointer(stream) := Pointer(IGenericStream(TGenericStream.Create));
  Check(user.RunTask('tasks.py', 'echo', stream, nil, taskId, False) = S_FALSE, 'a full queue');
  Check(user.CancelTasks = S_OK, 'CancelTasks');
  Check(user.RunTask('tasks.py', 'echo', stream, nil, taskId, False) = S_OK, 'room again');
  Pointer(stream) := nil;
  Check(user.WaitForCompletionEvent(30000) = S_OK, 'WaitForCompletionEvent');
  Check(user.WaitForCompletion = S_OK, 'WaitForCompletion');
end;

procedure RunData;
var
  stream: IGenericStream;
  status: TGridUserConnectionStatus;
  taskId: DWORD;
begin
  finalized := 0;
  user.BindGetDataCallback(GetData);
  Pointer(stream) := Pointer(IGenericStream(TGenericStream.Create));
  stream.Write(PAnsiChar('name')^, 4);
  Check(user.RunTask('tasks.py', 'data', stream, FinalizeData, taskId, True) = S_OK, 'RunTask');
  Pointer(stream) := nil;
  Check(user.WaitForCompletion = S_OK, 'WaitForCompletion');
  Check((finalized = 1) and (wrong = 0), 'the data');
  user.GetConnectionStatus(status);
  Check(status.connectedAgentsCount = 1, 'one agent');
end;

begin
  IGridUser_Create(user);
  Check(user <> nil, 'an object');
  RunTasks;
  RunFull;
  RunData;
  user := nil;
  WriteLn('done');
end.
