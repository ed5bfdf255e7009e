{ I_Agent: what a task sees of the agent that runs it, and what a task library exports.

  The agent outlives every task. All methods may be called from any thread; one that is given an
  unknown session answers S_FALSE. }
unit I_Agent;

{$ifdef FPC}{$mode delphi}{$endif}

interface

uses
  {$ifdef MSWINDOWS}Windows,{$endif}
  I_GenericStream;

const
  S_OK = 0;
  S_FALSE = 1;
  { Room for the text of GetSessionCacheDirectory. }
  MAX_PATH = 260;

type
  IAgent = interface(IUnknown)
    ['{85343215-0000-0000-0000-000000000000}']
    function GetVersion(var version: DWORD): HRESULT; stdcall;
    { Gives a read-only stream over the session's global data of this name, at position 0. Waits
      while the data are fetched. S_FALSE, and nil, if there are none or the task is not wanted. }
    function GetData(sessionId: DWORD; dataDesc: PAnsiChar; var stream: IGenericStream): HRESULT;
      stdcall;
    { Forgets this computer's copy of global data, or with nil of all. }
    function FreeCachedData(sessionId: DWORD; dataDesc: PAnsiChar): HRESULT; stdcall;
    { S_OK: go on. S_FALSE: the result is no longer wanted; return False soon. Does not return while
      the computer's owner needs it. Costs a few nanoseconds. }
    function TestConnection(sessionId: DWORD): HRESULT; stdcall;
    { Writes a folder for files of this session, with a separator at its end. `path` must have room
      for MAX_PATH bytes. }
    function GetSessionCacheDirectory(sessionId: DWORD; path: PAnsiChar): HRESULT; stdcall;
    { One recursive critical section for all tasks of this process. Off Windows, EnterCriticalSection
      takes it when the first unit of the library is cthreads. }
    function GetGlobalCriticalSection(var cs: PRTLCriticalSection): HRESULT; stdcall;
  end;

  { A task. False: failed, or stopped because TestConnection said so. An exception must not leave it:
    it would end the process. }
  TTaskProc = function(agent: IAgent; sessionId: DWORD; inStream: IGenericStream;
    outStream: IGenericStream): Boolean; cdecl;

  { Optional exports StartSession and EndSession, called once per process. }
  TStartSessionProc = procedure(agent: IAgent; sessionId: DWORD); cdecl;
  TEndSessionProc = procedure(agent: IAgent; sessionId: DWORD); cdecl;

  { Published by the original; no method returns it. }
  TAgentSettings = packed record
    bind_ip: array[0..19] of AnsiChar;
    bind_port: Word;
    coordinator_ip: array[0..19] of AnsiChar;
    coordinator_port: Word;
    user_data_port: Word;
    useHT: Boolean;
    explicitCPU: Boolean;
    freeCPUCount: DWORD;
    suspend_timeout: DWORD;
    enableDebugOutput: Boolean;
    agent_broadcast_port: DWORD;
    coordinator_broadcast_port: DWORD;
    maxDataCacheSize: DWORD;
    poolSize: DWORD;
    allowDiscardCoordinatorIp: Boolean;
  end;

implementation

end.
