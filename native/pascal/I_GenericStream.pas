{ I_GenericStream: bytes with a position.

  Positions and lengths have 32 bits. No method reports an error; what a task did wrong with a stream
  fails its attempt after it has returned. A stream belongs to one thread at a time. }
unit I_GenericStream;

{$ifdef FPC}{$mode delphi}{$endif}

interface

type
  {$ifndef FPC}
  DWORD = Cardinal;
  {$endif}

  IGenericStream = interface(IUnknown)
    ['{762EFFFE-0000-0000-0000-000000000000}']
    { The version itself, not a result code. }
    function GetVersion: DWORD; stdcall;
    { The first byte, and the byte at the position; good until the length changes. }
    function GetBasePointer: Pointer; stdcall;
    function GetCurPointer: Pointer; stdcall;
    { True for what IAgent.GetData gives out. }
    function isReadOnly: Boolean; stdcall;
    function GetLength: DWORD; stdcall;
    { Writes at the position and extends the stream if need be; a gap is filled with zeros. }
    procedure Write(const data; count: DWORD); stdcall;
    { Reads what there is, at most `count` bytes, and says how many. }
    function Read(var data; count: DWORD): DWORD; stdcall;
    { Any position is allowed, past the end too. }
    procedure Seek(pos: DWORD); stdcall;
    function GetPos: DWORD; stdcall;
    { Length and position become 0. Clear gives the memory back, FastClear keeps it. }
    procedure Clear; stdcall;
    procedure FastClear; stdcall;
    { Makes the length that of the position (-1) or `DestSize`; the position stays. }
    procedure GrowToPos(DestSize: Integer = -1); stdcall;
    procedure Skip(count: DWORD); stdcall;
    procedure SetLength(newLength: DWORD); stdcall;
    { Gives back memory that the length does not need. }
    procedure Compact; stdcall;
  end;

  { Published by the original; no function takes it. }
  TGENERICSTREAMCREATIONPARAMETERS = packed record
    ptr: Pointer;
    length: DWORD;
  end;

implementation

end.
