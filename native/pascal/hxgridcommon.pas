{ hxgridcommon: texts in streams: a 32-bit count of bytes, then the bytes. }
unit hxgridcommon;

{$ifdef FPC}{$mode delphi}{$endif}

interface

uses
  I_GenericStream;

procedure StreamWriteString(stream: IGenericStream; const text: AnsiString);

{ Gives less when the stream ends before the count says so. }
function StreamReadString(stream: IGenericStream): AnsiString;

implementation

procedure StreamWriteString(stream: IGenericStream; const text: AnsiString);
var
  count: DWORD;
begin
  count := Length(text);
  stream.Write(count, SizeOf(count));
  if count > 0 then stream.Write(text[1], count);
end;

function StreamReadString(stream: IGenericStream): AnsiString;
var
  count, left: DWORD;
begin
  Result := '';
  count := 0;
  if stream.Read(count, SizeOf(count)) <> SizeOf(count) then Exit;
  left := 0;
  if stream.GetPos < stream.GetLength then left := stream.GetLength - stream.GetPos;
  if count > left then count := left;
  SetLength(Result, count);
  if count > 0 then stream.Read(Result[1], count);
end;

end.
