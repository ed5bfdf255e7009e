{ picalculator: computes digits of pi on the grid, as a native application in Pascal.

      picalculator DIGITS [--progress] [--task MODULE] [--function NAME]

  DIGITS is rounded up to a multiple of nine: each task gives nine. Without --progress every task is
  queued, waiting for room where the queue is full, and then the end is awaited. With it nothing
  waits for long: the program stays awake for showing how far it is, and for Ctrl-C, which cancels.

  It compiles with Free Pascal on Linux and Windows, and with Delphi. }
program picalculator;

{$ifdef FPC}{$mode delphi}{$endif}
{$ifdef MSWINDOWS}{$apptype console}{$endif}

uses
  {$ifdef UNIX}cthreads, BaseUnix,{$endif}
  {$ifdef MSWINDOWS}Windows,{$endif}
  SysUtils,
  I_GenericStream,
  I_Agent,
  I_GridUser,
  T_GenericStream;

const
  DIGITS_PER_BLOCK = 9;
  LAST_POSITION = 480000; { of the task }
  LOOK_EVERY_MS = 100;

var
  digits: DWORD = 0;
  showsProgress: Boolean = False;
  { The file for each agent's system is found by this one name. }
  module: AnsiString = 'pi_task_pascal.dll';
  taskFunction: AnsiString = 'RunTask';
  { What comes back is put in its place by the library's threads; each block has a place of its own. }
  found: AnsiString;
  blocksDone: Longint = 0;
  isCancelled: Boolean = False;
  user: IGridUser;

{$ifdef UNIX}
procedure CancelByKey(signal: Longint); cdecl;
begin
  isCancelled := True;
end;

procedure WatchKeys;
begin
  FpSignal(SIGINT, CancelByKey);
end;
{$endif}

{$ifdef MSWINDOWS}
function CancelByKey(event: DWORD): BOOL; stdcall;
begin
  isCancelled := True;
  Result := True;
end;

procedure WatchKeys;
begin
  SetConsoleCtrlHandler(@CancelByKey, True);
end;
{$endif}

procedure PlaceBlock(stream: IGenericStream); cdecl;
var
  position: DWORD;
  block: array[0..DIGITS_PER_BLOCK - 1] of AnsiChar;
begin
  position := 0;
  if stream.Read(position, SizeOf(position)) <> SizeOf(position) then Exit;
  if stream.Read(block, SizeOf(block)) <> SizeOf(block) then Exit;
  if (position < 1) or (position - 1 + SizeOf(block) > DWORD(Length(found))) then Exit;
  Move(block, found[position], SizeOf(block));
  InterlockedIncrement(blocksDone);
end;

{ A stream with one reference: an assignment without the casts would leave two. }
procedure MakeInput(position: DWORD; var stream: IGenericStream);
begin
  Pointer(stream) := Pointer(IGenericStream(TGenericStream.Create));
  stream.Write(position, SizeOf(position));
end;

procedure Show;
var
  status: TGridUserConnectionStatus;
begin
  user.GetConnectionStatus(status);
  Write(ErrOutput, #13, blocksDone * DIGITS_PER_BLOCK, ' of ', Length(found), ' digits, ',
    status.connectedAgentsCount, ' agents ');
  Flush(ErrOutput);
end;

{ The simple way: queue everything, then wait. False: something failed, and has been told. }
function Compute: Boolean;
var
  stream: IGenericStream;
  position, task: DWORD;
begin
  Result := False;
  position := 1;
  while position <= digits do
  begin
    MakeInput(position, stream);
    if user.RunTask(PAnsiChar(module), PAnsiChar(taskFunction), stream, PlaceBlock, task,
      True) <> S_OK then Exit;
    { The library has taken the reference over. }
    Pointer(stream) := nil;
    position := position + DIGITS_PER_BLOCK;
  end;
  Result := user.WaitForCompletion = S_OK;
end;

{ The way of programs with a window: no call waits for longer than a tenth of a second. }
function ComputeAwake: Boolean;
var
  stream: IGenericStream;
  position, task: DWORD;
  complete: Boolean;
begin
  Pointer(stream) := nil;
  position := 1;
  while (position <= digits) and not isCancelled do
  begin
    if stream = nil then MakeInput(position, stream);
    case user.RunTask(PAnsiChar(module), PAnsiChar(taskFunction), stream, PlaceBlock, task, False) of
      S_OK:
      begin
        Pointer(stream) := nil;
        position := position + DIGITS_PER_BLOCK;
      end;
      S_FALSE:
      begin
        { The queue is full, and the stream is still ours: it is for the next try. }
        user.WaitForCompletionEvent(LOOK_EVERY_MS);
        Show;
      end;
    else
      isCancelled := True;
    end;
  end;
  stream := nil;
  complete := False;
  while not isCancelled and (user.IsComplete(complete) = S_OK) and not complete do
  begin
    Show;
    user.WaitForCompletionEvent(LOOK_EVERY_MS);
  end;
  if isCancelled then user.CancelTasks;
  Show;
  WriteLn(ErrOutput);
  Result := (user.WaitForCompletion = S_OK) and not isCancelled;
end;

function Understand: Boolean;
var
  index, wanted: Integer;
  argument: AnsiString;
begin
  Result := False;
  index := 1;
  while index <= ParamCount do
  begin
    argument := AnsiString(ParamStr(index));
    if argument = '--progress' then showsProgress := True
    else if ((argument = '--task') or (argument = '--function')) and (index < ParamCount) then
    begin
      Inc(index);
      if argument = '--task' then module := AnsiString(ParamStr(index))
      else taskFunction := AnsiString(ParamStr(index));
    end
    else
    begin
      wanted := StrToIntDef(string(argument), 0);
      if (digits <> 0) or (wanted < 1) or (wanted >= LAST_POSITION) then Exit;
      digits := DWORD(wanted);
    end;
    Inc(index);
  end;
  Result := digits <> 0;
end;

var
  began: TDateTime;
  isGood: Boolean;
begin
  if not Understand then
  begin
    WriteLn(ErrOutput, 'picalculator DIGITS [--progress] [--task MODULE] [--function NAME]');
    WriteLn(ErrOutput, 'DIGITS are between 1 and ', LAST_POSITION);
    Halt(2);
  end;
  digits := (digits + DIGITS_PER_BLOCK - 1) div DIGITS_PER_BLOCK * DIGITS_PER_BLOCK;
  found := StringOfChar(AnsiChar('?'), digits);
  began := Now;
  IGridUser_Create(user);
  if user = nil then Halt(1); { the library has said why }
  if showsProgress then
  begin
    WatchKeys;
    isGood := ComputeAwake;
  end
  else
    isGood := Compute;
  user := nil;
  if not isGood then
  begin
    if isCancelled then WriteLn(ErrOutput, 'cancelled')
    else WriteLn(ErrOutput, 'some digits could not be computed');
    Halt(1);
  end;
  WriteLn('PI=3.', found);
  WriteLn(Round((Now - began) * 24 * 60 * 60 * 1000), ' ms');
end.
