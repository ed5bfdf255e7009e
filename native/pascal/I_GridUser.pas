{ I_GridUser: the application's side, as the original published it. }
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

implementation

end.
