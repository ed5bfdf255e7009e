{ I_GridUser: the application's side, as the original published it.

  The library is loaded when IGridUser_Create is first called: from the program's folder if it is
  there, else from where the system looks for libraries. On Linux put `cthreads` first in the `uses`
  of the program: callbacks come on threads of the library. }
unit I_GridUser;

{$ifdef FPC}{$mode delphi}{$endif}

interface

uses
  I_GenericStream;

type
  { Called with the output of a finished task, at position 0. }
  TFinalizeProc = procedure(stream: IGenericStream); cdecl;

  { Asked for global data; leaving `stream` nil means that there are none. }
  TGetDataProc = procedure(dataDesc: PAnsiChar; var stream: IGenericStream); cdecl;

  TGridUserSettings = packed record
    maxSendAheadTasks: DWORD;
    maxQueqedTasks: DWORD;
    userMaxMemoryUsage: DWORD;
    agentMinFreeMemory: DWORD;
    agentMinFreeMemoryFactor: Single;
    sendDublicateTasks: Boolean;
    allowSwapping: Boolean;
    compressThreshold: DWORD;
    coordinator_ip: array[0..19] of AnsiChar;
    coordinator_port: Word;
    user_data_port: Word;
    agent_lobby_port: Word;
    coordinator_broadcast_port: Word;
    user_broadcast_port: Word;
    enableDebugOutput: Boolean;
    failSuspendTimeout: DWORD;
    allowDiscardCoordinatorIp: Boolean;
  end;

  TGridUserConnectionStatus = packed record
    bConnectedToCoordinator: Boolean;
    connectedAgentsCount: DWORD;
  end;

  IGridUser = interface(IUnknown)
    ['{5623F256-0000-0000-0000-000000000000}']
    function GetVersion(var version: DWORD): HRESULT; stdcall;
    { S_OK: queued, and the caller's reference to `inStream` is taken over; forget it with
      Pointer(stream) := nil. S_FALSE (only if not blocking): the queue is full. }
    function RunTask(moduleName: PAnsiChar; taskProcName: PAnsiChar; inStream: IGenericStream;
      finalizeProc: TFinalizeProc; var taskId: DWORD; blocking: Boolean): HRESULT; stdcall;
    function WaitForCompletion: HRESULT; stdcall;
    function IsComplete(var complete: Boolean): HRESULT; stdcall;
    procedure BindGetDataCallback(callback: TGetDataProc); stdcall;
    procedure GetSettings(var settings: TGridUserSettings); stdcall;
    procedure SetSettings(var settings: TGridUserSettings); stdcall;
    function WaitForCompletionEvent(timeoutMs: DWORD): HRESULT; stdcall;
    function CompressStream(stream: IGenericStream): HRESULT; stdcall;
    function CancelTasks: HRESULT; stdcall;
    procedure GetConnectionStatus(var status: TGridUserConnectionStatus); stdcall;
  end;

const
  IGridUser_VERSION = $00010000;
  {$ifdef MSWINDOWS}
  GRID_USER_LIBRARY = 'hxGridUserDLL.dll';
  {$else}
  {$ifdef DARWIN}
  GRID_USER_LIBRARY = 'libhxgriduser.dylib';
  {$else}
  GRID_USER_LIBRARY = 'libhxgriduser.so';
  {$endif}
  {$endif}

{ Makes the object; nil if the library or what it needs is not installed, and the reason is written
  to the error output. }
procedure IGridUser_Create(var user: IGridUser);

{ Makes an empty stream of the library; nil without the library. }
procedure IGenericStream_Create(var stream: IGenericStream);

implementation

uses
  {$ifdef FPC}dynlibs{$else}Windows{$endif};

type
  TCreateGridUserObject = function(version: DWORD): Pointer; cdecl;
  TCreateGenericStream = function: Pointer; cdecl;

var
  createUser: TCreateGridUserObject = nil;
  createStream: TCreateGenericStream = nil;

function ProgramFolder: AnsiString;
var
  index: Integer;
begin
  Result := AnsiString(ParamStr(0));
  index := Length(Result);
  while (index > 0) and not (Result[index] in ['/', '\']) do Dec(index);
  SetLength(Result, index);
end;

procedure Load;
var
  {$ifdef FPC}
  module: TLibHandle;
  {$else}
  module: HMODULE;
  {$endif}
begin
  if Assigned(createUser) then Exit;
  {$ifdef FPC}
  module := LoadLibrary(ProgramFolder + GRID_USER_LIBRARY);
  if module = NilHandle then module := LoadLibrary(AnsiString(GRID_USER_LIBRARY));
  if module = NilHandle then
  {$else}
  module := LoadLibraryA(PAnsiChar(ProgramFolder + GRID_USER_LIBRARY));
  if module = 0 then module := LoadLibraryA(GRID_USER_LIBRARY);
  if module = 0 then
  {$endif}
  begin
    WriteLn(ErrOutput, 'hxgrid: the library ', GRID_USER_LIBRARY, ' was not found');
    Exit;
  end;
  createStream := TCreateGenericStream(GetProcAddress(module, 'CreateGenericStream'));
  createUser := TCreateGridUserObject(GetProcAddress(module, 'CreateGridUserObject'));
end;

procedure IGridUser_Create(var user: IGridUser);
begin
  user := nil;
  Load;
  { The one reference is taken over: an assignment of interfaces would add another. }
  if Assigned(createUser) then Pointer(user) := createUser(IGridUser_VERSION);
end;

procedure IGenericStream_Create(var stream: IGenericStream);
begin
  stream := nil;
  Load;
  if Assigned(createStream) then Pointer(stream) := createStream();
end;

end.
