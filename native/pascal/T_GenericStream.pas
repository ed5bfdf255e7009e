{ T_GenericStream: a stream in memory that belongs to the program.

  `TGenericStream.Create` has a count of 1 of its own, and assigning it to an interface variable adds
  one, as in the original. To hand over the only reference write
    Pointer(stream) := Pointer(IGenericStream(TGenericStream.Create)); }
unit T_GenericStream;

{$ifdef FPC}{$mode delphi}{$endif}

interface

uses
  I_GenericStream;

type
  TGenericStream = class(TObject, IUnknown, IGenericStream)
  private
    FCount: Longint;
    FBytes: array of Byte;
    FLength: DWORD;
    FPosition: DWORD;
    procedure Resize(newLength: DWORD);
  public
    constructor Create;
    {$ifdef FPC}
    function QueryInterface({$ifdef FPC_HAS_CONSTREF}constref{$else}const{$endif} iid: TGUID;
      out obj): HRESULT; {$ifdef MSWINDOWS}stdcall{$else}cdecl{$endif};
    function _AddRef: Longint; {$ifdef MSWINDOWS}stdcall{$else}cdecl{$endif};
    function _Release: Longint; {$ifdef MSWINDOWS}stdcall{$else}cdecl{$endif};
    {$else}
    function QueryInterface(const iid: TGUID; out obj): HRESULT; stdcall;
    function _AddRef: Integer; stdcall;
    function _Release: Integer; stdcall;
    {$endif}
    function GetVersion: DWORD; stdcall;
    function GetBasePointer: Pointer; stdcall;
    function GetCurPointer: Pointer; stdcall;
    function isReadOnly: Boolean; stdcall;
    function GetLength: DWORD; stdcall;
    procedure Write(const data; count: DWORD); stdcall;
    function Read(var data; count: DWORD): DWORD; stdcall;
    procedure Seek(pos: DWORD); stdcall;
    function GetPos: DWORD; stdcall;
    procedure Clear; stdcall;
    procedure FastClear; stdcall;
    procedure GrowToPos(DestSize: Integer = -1); stdcall;
    procedure Skip(count: DWORD); stdcall;
    procedure SetLength(newLength: DWORD); stdcall;
    procedure Compact; stdcall;
  end;

implementation

{$ifndef FPC}
uses
  Windows;
{$endif}

const
  FIRST_BYTES = 256;
  NO_INTERFACE = HRESULT($80004002);

constructor TGenericStream.Create;
begin
  inherited Create;
  FCount := 1;
end;

function TGenericStream.QueryInterface;
begin
  if GetInterface(iid, obj) then Result := 0 else Result := NO_INTERFACE;
end;

function TGenericStream._AddRef;
begin
  Result := InterlockedIncrement(FCount);
end;

function TGenericStream._Release;
begin
  Result := InterlockedDecrement(FCount);
  if Result = 0 then Destroy;
end;

procedure TGenericStream.Resize(newLength: DWORD);
var
  room: Int64;
begin
  if newLength > DWORD(System.Length(FBytes)) then
  begin
    room := Int64(System.Length(FBytes)) * 2;
    if room < FIRST_BYTES then room := FIRST_BYTES;
    if room < newLength then room := newLength;
    System.SetLength(FBytes, room);
  end;
  if newLength > FLength then FillChar(FBytes[FLength], newLength - FLength, 0);
  FLength := newLength;
end;

function TGenericStream.GetVersion: DWORD;
begin
  Result := $00010000;
end;

function TGenericStream.GetBasePointer: Pointer;
begin
  Result := Pointer(FBytes);
end;

function TGenericStream.GetCurPointer: Pointer;
begin
  Result := Pointer(NativeUInt(Pointer(FBytes)) + FPosition);
end;

function TGenericStream.isReadOnly: Boolean;
begin
  Result := False;
end;

function TGenericStream.GetLength: DWORD;
begin
  Result := FLength;
end;

procedure TGenericStream.Write(const data; count: DWORD);
begin
  if count = 0 then Exit;
  if count > High(DWORD) - FPosition then RunError(201);
  if FPosition + count > FLength then Resize(FPosition + count);
  Move(data, FBytes[FPosition], count);
  FPosition := FPosition + count;
end;

function TGenericStream.Read(var data; count: DWORD): DWORD;
begin
  Result := 0;
  if FPosition >= FLength then Exit;
  Result := FLength - FPosition;
  if Result > count then Result := count;
  if Result = 0 then Exit;
  Move(FBytes[FPosition], data, Result);
  FPosition := FPosition + Result;
end;

procedure TGenericStream.Seek(pos: DWORD);
begin
  FPosition := pos;
end;

function TGenericStream.GetPos: DWORD;
begin
  Result := FPosition;
end;

procedure TGenericStream.Clear;
begin
  System.SetLength(FBytes, 0);
  FLength := 0;
  FPosition := 0;
end;

procedure TGenericStream.FastClear;
begin
  FLength := 0;
  FPosition := 0;
end;

procedure TGenericStream.GrowToPos(DestSize: Integer);
begin
  if DestSize = -1 then Resize(FPosition) else Resize(DWORD(DestSize));
end;

procedure TGenericStream.Skip(count: DWORD);
begin
  FPosition := FPosition + count;
end;

procedure TGenericStream.SetLength(newLength: DWORD);
begin
  Resize(newLength);
  if FPosition > newLength then FPosition := newLength;
end;

procedure TGenericStream.Compact;
begin
  System.SetLength(FBytes, FLength);
end;

end.
