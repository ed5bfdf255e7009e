"""One example of each message of the protocol, as objects; `samples.json` has them as bytes."""

from __future__ import annotations

from typing import Any

from hxgrid.wire import batches, messages
from hxgrid.wire.batches import AttemptRecord, Buffer, Chunk, ResultRecord
from hxgrid.wire.messages import (
    AgentState,
    AgentStatus,
    AttemptFlag,
    AttemptProgress,
    Batch,
    Capabilities,
    ChunkOf,
    Document,
    FileEntry,
    Load,
    NetworkAddress,
    Outcome,
    Proof,
    RosterEntry,
    SlotTrouble,
)

SESSION = "0123456789abcdef0123456789abcdef"
TICKET = "f" * 32
BOOT = "00112233445566778899aabbccddeeff"
DIGEST = "ab" * 32

ATTEMPTS = [
    AttemptRecord(1, 1, 0, 7, 5, 5, b"hello"),
    AttemptRecord(2**64 - 1, 3, int(AttemptFlag.COMPRESSED), 7, 3, 900, b"lz4"),
    AttemptRecord(3, 1, int(AttemptFlag.CHUNKED), 8, 1 << 33, 1 << 33, b""),
]
RESULTS = [
    ResultRecord(1, 1, int(Outcome.DONE), 0, 4, 2, 2, 10.5, 11.25, b"ok"),
    ResultRecord(2, 65535, int(Outcome.REFUSED), 0, 0, 0, 0, 0.0, 0.0, b""),
]
KEYS = [(1, 1), (2**64 - 1, 65535)]
CHUNK = Chunk(int(ChunkOf.BLOB), 0, 9, 77, 4, 10, b"bytes!")


def packed_batches() -> dict[Batch, list[Buffer]]:
    """Frames of one message of each batch number."""
    by_keys = (Batch.ACKNOWLEDGE, Batch.CANCEL, Batch.RECALL, Batch.HOLDINGS)
    packed: dict[Batch, list[Buffer]] = {
        Batch.ATTEMPTS: [*batches.pack_attempts(9, ATTEMPTS)],
        Batch.RESULTS: [*batches.pack_results(9, RESULTS)],
        Batch.CHUNK: [*batches.pack_chunk(CHUNK)],
        Batch.CREDIT: [*batches.pack_credit(1 << 40)],
        Batch.PING: [*batches.pack_ping(12.5)],
        Batch.PONG: [*batches.pack_pong(12.5, 99.75)],
    }
    return packed | {batch: [*batches.pack_keys(batch, 9, KEYS)] for batch in by_keys}


def read_batch(batch: Batch, frames: list[Buffer]) -> Any:
    """What the reader of this batch makes of the frames."""
    match batch:
        case Batch.ATTEMPTS:
            return batches.unpack_attempts(frames[0])
        case Batch.RESULTS:
            return batches.unpack_results(frames[0])
        case Batch.CHUNK:
            return batches.unpack_chunk(frames[0], frames[1])
        case Batch.CREDIT:
            return batches.unpack_credit(frames[0])
        case Batch.PING:
            return batches.unpack_ping(frames[0])
        case Batch.PONG:
            return batches.unpack_pong(frames[0])
        case _:
            return batches.unpack_keys(frames[0])


MEANT: dict[Batch, Any] = {
    Batch.ATTEMPTS: (9, ATTEMPTS),
    Batch.RESULTS: (9, RESULTS),
    Batch.CHUNK: CHUNK,
    Batch.CREDIT: 1 << 40,
    Batch.PING: 12.5,
    Batch.PONG: (12.5, 99.75),
    **dict.fromkeys((Batch.ACKNOWLEDGE, Batch.CANCEL, Batch.RECALL, Batch.HOLDINGS), (9, KEYS)),
}

CAPABILITIES = Capabilities(
    platform="linux",
    machine="x86_64",
    python_implementation="CPython",
    python_version="3.11.7",
    processors=16,
    memory_bytes=64 << 30,
    labels=("gpu",),
)
ADDRESSES = (
    NetworkAddress(host="192.0.2.7", port=4102),
    NetworkAddress(host="127.0.0.1", port=4102),
)
LOAD = Load(
    state=AgentState.SUSPENDED,
    reason="the owner is back",
    free_cpu=0.25,
    free_memory_bytes=1 << 30,
    sessions=2,
    progress=(AttemptProgress(task=1, attempt=1, fraction=0.5, text="half"),),
    suspected=(SlotTrouble(task=2, attempt=1),),
)
STATUS = AgentStatus(
    proof=Proof(nonce="1" * 64, proof="2" * 64),
    agent=BOOT,
    name="pc7",
    addresses=ADDRESSES,
    public_key="k" * 40,
    slots=15,
    free_cpu=12.5,
    own_cpu=1.5,
    free_memory_bytes=1 << 34,
    running=2,
    waiting=3,
    sessions=("anna@pc1 render",),
    capabilities=CAPABILITIES,
)
DOCUMENTS: list[Document] = [
    messages.Challenge(nonce="1" * 64),
    messages.ChallengeAnswer(nonce="3" * 64, proof="4" * 64),
    messages.Hello(
        session=SESSION,
        ticket=TICKET,
        proof=Proof(nonce="1" * 64, proof="2" * 64),
        user_name="anna",
        host="pc1",
        process_id=4711,
    ),
    messages.Welcome(
        boot_id=BOOT,
        agent_name="pc7",
        handle=9,
        resumed=True,
        slots=15,
        capabilities=CAPABILITIES,
        load=LOAD,
    ),
    LOAD,
    messages.Refusal(code="draining", text="the agent is about to end"),
    messages.WhoAreYou(boot_id=BOOT),
    messages.Goodbye(session=SESSION),
    messages.CancelAll(session=SESSION, request=3),
    messages.Ended(session=SESSION, request=3),
    messages.FunctionOffer(
        function=7,
        kind="module",
        entry="run_task",
        files=(FileEntry(path="tools/pi.py", digest=DIGEST, bytes=1234),),
        time_limit_s=60.0,
        no_progress_limit_s=30.0,
        label="pi",
    ),
    messages.BlobRequest(request=77, digest=DIGEST, offset=4, ticket=TICKET, failed=(SESSION,)),
    messages.BlobAnswer(
        request=77,
        found=True,
        bytes=10,
        elsewhere=(messages.Neighbour(agent=SESSION, addresses=ADDRESSES, public_key="k" * 40),),
        chunks="AAAA",
    ),
    messages.BlobHeld(digest=DIGEST),
    messages.ExpectNeighbour(agent=SESSION, public_key="k" * 40),
    messages.NeighbourRequest(request=78, session=SESSION, digest=DIGEST, offset=5, proof=DIGEST),
    messages.NeighbourDone(request=78),
    messages.BlobDone(request=79),
    messages.DataRequest(request=78, name="geometry"),
    messages.DataAnswer(request=78, found=True, digest=DIGEST, bytes=10, volatile=True),
    messages.ForgetData(names=("geometry",)),
    STATUS,
    messages.StatusReceived(boot_id=BOOT, grid="studio"),
    messages.RosterRequest(boot_id=BOOT, version=12, detailed=True),
    messages.Roster(
        boot_id=BOOT,
        grid="studio",
        version=13,
        whole=False,
        agents=(
            RosterEntry(
                agent=BOOT,
                name="pc7",
                addresses=ADDRESSES,
                slots=15,
                capabilities=CAPABILITIES,
                status=STATUS,
                age_s=0.5,
            ),
        ),
        left=(TICKET,),
    ),
]
