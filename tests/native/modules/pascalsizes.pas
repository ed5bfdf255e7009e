{ Prints what the headers assert, as the Pascal units have it. }
program pascalsizes;

{$mode delphi}

uses
  I_GenericStream, I_Agent, I_GridUser;

var
  user: TGridUserSettings;
  agent: TAgentSettings;
  status: TGridUserConnectionStatus;

function At(var field; var whole): PtrUInt;
begin
  Result := PtrUInt(@field) - PtrUInt(@whole);
end;

begin
  WriteLn(SizeOf(user), ' ', At(user.sendDublicateTasks, user), ' ', At(user.compressThreshold, user),
    ' ', At(user.coordinator_ip, user), ' ', At(user.coordinator_port, user), ' ',
    At(user.user_broadcast_port, user), ' ', At(user.failSuspendTimeout, user), ' ',
    At(user.allowDiscardCoordinatorIp, user));
  WriteLn(SizeOf(agent), ' ', At(agent.coordinator_ip, agent), ' ', At(agent.useHT, agent), ' ',
    At(agent.freeCPUCount, agent), ' ', At(agent.agent_broadcast_port, agent), ' ',
    At(agent.poolSize, agent), ' ', At(agent.allowDiscardCoordinatorIp, agent));
  WriteLn(SizeOf(status), ' ', At(status.connectedAgentsCount, status));
  WriteLn(SizeOf(TRTLCriticalSection));
end.
