{ The task of pi_task.py in Pascal: a u32 position comes in, the position and nine digits go out.

  The method, and why no number grows, is told there. Here one prime is treated after the other, in
  64-bit integers: every product is of two numbers below 2^32. The fractions s / a^e are added with
  128 binary places, so that what is cut off cannot reach the digits, and nothing depends on how some
  processor rounds. }
library pi_task;

{$mode delphi}
{$Q-}{$R-}

uses
  {$ifdef UNIX}cthreads,{$endif}
  sysutils, I_GenericStream, I_Agent;

const
  LAST_POSITION = 480000;
  FIRST_GUARD_DIGITS = 24;
  MORE_GUARD_DIGITS = 20;
  BITS_PER_DIGIT = 3.3219280948873626;

type
  EStopped = class(Exception);

  TPrimes = array of DWORD;

  { A number from 0 up to 1 with 128 binary places, the highest word first. }
  TFraction = array[0..3] of DWORD;

{ Adds words; what passes 1 is dropped. }
procedure AddWords(var sum: TFraction; const words: TFraction);
var
  index: Integer;
  carry: QWord;
begin
  carry := 0;
  for index := 3 downto 0 do
  begin
    carry := carry + QWord(sum[index]) + words[index];
    sum[index] := DWORD(carry);
    carry := carry shr 32;
  end;
end;

{ Adds numerator / denominator, which is less than 1, cut off after the last place. }
procedure AddQuotient(var sum: TFraction; numerator, denominator: DWORD);
var
  index: Integer;
  rest: QWord;
  quotient: TFraction;
begin
  rest := numerator;
  for index := 0 to 3 do
  begin
    rest := rest shl 32;
    quotient[index] := DWORD(rest div denominator);
    rest := rest mod denominator;
  end;
  AddWords(sum, quotient);
end;

{ Adds a number of 64 bits whose lowest word is at this place. }
procedure AddSmall(var sum: TFraction; value: QWord; place: Integer);
var
  words: TFraction;
begin
  FillChar(words, SizeOf(words), 0);
  words[place] := DWORD(value);
  words[place - 1] := DWORD(value shr 32);
  AddWords(sum, words);
end;

{ The first nine digits behind the point. }
function DigitsOf(const number: TFraction): DWORD;
var
  index: Integer;
  carry: QWord;
begin
  carry := 0;
  for index := 3 downto 0 do carry := (QWord(number[index]) * 1000000000 + carry) shr 32;
  Result := DWORD(carry);
end;

function PowerModulo(base: QWord; exponent, modulus: DWORD): DWORD;
var
  value: QWord;
begin
  value := 1 mod modulus;
  base := base mod modulus;
  while exponent <> 0 do
  begin
    if Odd(exponent) then value := value * base mod modulus;
    base := base * base mod modulus;
    exponent := exponent shr 1;
  end;
  Result := DWORD(value);
end;

{ The number x with x * value = 1 modulo the modulus, by Euclid's way. }
function InverseModulo(value, modulus: DWORD): DWORD;
var
  before, now, larger, smaller, times, next: Int64;
begin
  before := 0;
  now := 1;
  larger := modulus;
  smaller := value;
  while smaller <> 0 do
  begin
    times := larger div smaller;
    next := larger - times * smaller;
    larger := smaller;
    smaller := next;
    next := before - times * now;
    before := now;
    now := next;
  end;
  if before < 0 then before := before + modulus;
  Result := DWORD(before);
end;

{ Takes the factors `prime` out of a number that has some, and says how many they were. }
function Split(var number: QWord; prime: DWORD): Integer;
begin
  Result := 0;
  while number mod prime = 0 do
  begin
    number := number div prime;
    Inc(Result);
  end;
end;

{ The numerator of what one prime adds to the sum; the denominator is `modulus`, the largest power of
  the prime up to twice the number of terms. }
function NumeratorOf(prime, modulus, terms, position: DWORD): DWORD;
var
  rising: QWord;    { k!, without the factors `prime` }
  falling: QWord;   { 1 * 3 * ... * (2k - 1), likewise }
  sum: QWord;       { of the terms so far, times `falling` }
  weight: QWord;    { prime^(e-v), where prime^v divides the term's denominator; 0 for v = 0 }
  excess: Integer;  { v }
  next: DWORD;      { the next multiple of the prime among k }
  nextOdd: DWORD;   { and among 2k - 1 }
  k: DWORD;
  by, over: QWord;
  left: Integer;
begin
  rising := 1;
  falling := 1;
  sum := 0;
  weight := 0;
  excess := 0;
  next := prime;
  nextOdd := prime;
  for k := 1 to terms do
  begin
    by := k;
    over := 2 * QWord(k) - 1;
    if (by = next) or (over = nextOdd) then
    begin
      if by = next then
      begin
        excess := excess - Split(by, prime);
        next := next + prime;
      end;
      if over = nextOdd then
      begin
        excess := excess + Split(over, prime);
        nextOdd := nextOdd + 2 * prime;
      end;
      weight := 0;
      if excess <> 0 then weight := modulus;
      for left := 1 to excess do weight := weight div prime;
    end;
    rising := rising * by mod modulus;
    falling := falling * over mod modulus;
    if sum <> 0 then sum := sum * over mod modulus;
    if weight <> 0 then sum := (sum + rising * weight mod modulus * k) mod modulus;
  end;
  sum := sum * InverseModulo(DWORD(falling), modulus) mod modulus;
  Result := DWORD(sum * PowerModulo(10, position - 1, modulus) mod modulus);
end;

function OddPrimes(limit: DWORD): TPrimes;
var
  isComposite: array of Boolean;
  number, multiple: QWord;
  count: Integer;
begin
  SetLength(isComposite, limit + 1);
  SetLength(Result, limit div 2 + 1);
  count := 0;
  number := 3;
  while number <= limit do
  begin
    if not isComposite[number] then
    begin
      Result[count] := DWORD(number);
      Inc(count);
      multiple := number * number;
      while multiple <= limit do
      begin
        isComposite[multiple] := True;
        multiple := multiple + 2 * number;
      end;
    end;
    number := number + 2;
  end;
  SetLength(Result, count);
end;

{ Nine digits, if the terms up to here settle them. }
function TryDigits(const agent: IAgent; sessionId, position, guardDigits: DWORD;
  out digits: DWORD): Boolean;
var
  terms: DWORD;
  primes: TPrimes;
  modulus: QWord;
  lowest, highest: TFraction;
  neglected: Double;
  index: Integer;
begin
  terms := DWORD(Trunc((position + guardDigits) * BITS_PER_DIGIT)) + 2;
  primes := OddPrimes(2 * terms);
  FillChar(lowest, SizeOf(lowest), 0);
  for index := 0 to High(primes) do
  begin
    if agent.TestConnection(sessionId) <> S_OK then raise EStopped.Create('');
    modulus := primes[index];
    while modulus * primes[index] <= 2 * terms do modulus := modulus * primes[index];
    AddQuotient(lowest, NumeratorOf(primes[index], DWORD(modulus), terms, position), DWORD(modulus));
  end;
  { Each division has dropped less than one unit of the last place. The terms that are left out add
    up to less than 4 * terms^2 / 10^(guardDigits + 1). }
  highest := lowest;
  AddSmall(highest, QWord(Length(primes)) + 1, 3);
  neglected := 4.0 * terms * terms;
  for index := 0 to guardDigits do neglected := neglected / 10;
  AddSmall(highest, QWord(Trunc(neglected * 18446744073709551616.0)) + 1, 1);
  digits := DigitsOf(lowest);
  Result := digits = DigitsOf(highest);
end;

function DigitsAt(const agent: IAgent; sessionId, position: DWORD): AnsiString;
var
  digits, guardDigits: DWORD;
begin
  guardDigits := FIRST_GUARD_DIGITS;
  while not TryDigits(agent, sessionId, position, guardDigits, digits) do
    guardDigits := guardDigits + MORE_GUARD_DIGITS;
  Result := IntToStr(digits);
  while Length(Result) < 9 do Result := '0' + Result;
end;

{ What raises must not leave the task: it would end the process. }
function RunTask(agent: IAgent; sessionId: DWORD; inStream: IGenericStream;
  outStream: IGenericStream): Boolean; cdecl;
var
  position: DWORD;
  digits: AnsiString;
begin
  Result := False;
  try
    if inStream.Read(position, SizeOf(position)) <> SizeOf(position) then
      raise Exception.Create('the input must be one u32');
    if (position < 1) or (position > LAST_POSITION) then
      raise Exception.CreateFmt('position %u is not between 1 and %d', [position, LAST_POSITION]);
    digits := DigitsAt(agent, sessionId, position);
    outStream.Write(position, SizeOf(position));
    outStream.Write(digits[1], Length(digits));
    Result := True;
  except
    on EStopped do ;
    on problem: Exception do
    begin
      WriteLn(StdErr, 'RunTask: ', problem.Message);
      Flush(StdErr);
    end;
  end;
end;

exports
  RunTask;

begin
end.
