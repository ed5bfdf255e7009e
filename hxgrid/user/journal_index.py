"""What a journal holds, as far as it is kept in memory: where each result lies, and on what data.

About 150 bytes per result. A result that is written again under its key replaces the old one, which
remains in the file until the file is *compacted*. The rule: when a journal is opened and less than
half of it is of use, and it is not small, what is of use is copied to a new file, which takes its
place. Of use is the newest result of each key, if it was written or used again in one of the last
`KEPT_RUNS` runs, and the nodes that these results refer to.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from hxgrid.user.journal_format import KEY_BYTES, Head, Kind, Node, read_node

KEPT_RUNS: Final = 10
SMALL_BYTES: Final = 16 * 1024 * 1024
"""Below this size a journal is not worth compacting."""


class Place(NamedTuple):
    """Where the newest result of a key lies."""

    at: int
    node: int
    run: int
    """The last run in which it was written or used."""
    size_bytes: int
    """Of the whole record."""


class JournalIndex:
    """Filled from the records of a file, then kept up to date."""

    def __init__(self) -> None:
        self.places: dict[bytes, Place] = {}
        self.nodes: dict[int, Node] = {}
        self.run = 0
        """How many runs have begun."""

    def take(self, head: Head, body: bytes) -> None:
        """Take in one record."""
        match head.kind:
            case Kind.RESULT:
                size_bytes = head.end_at - head.at
                self.places[head.key] = Place(head.at, head.node, self.run, size_bytes)
            case Kind.NODE:
                node = read_node(head, body)
                if node is not None:
                    self.nodes[node.number] = node
            case Kind.USED:
                self.use(body[i : i + KEY_BYTES] for i in range(0, len(body), KEY_BYTES))
            case Kind.RUN:
                self.run += 1
            case _:
                pass  # of a later version that is compatible with this one

    def use(self, keys: Iterable[bytes]) -> None:
        """Note that these results were used in the present run."""
        for key in keys:
            place = self.places.get(key)
            if place is not None:
                self.places[key] = place._replace(run=self.run)

    def chain(self, number: int) -> list[Node] | None:
        """Return a node and all before it, oldest first; None if one is missing."""
        chain = []
        while number:
            node = self.nodes.get(number)
            if node is None:
                return None
            chain.append(node)
            number = node.parent
        chain.reverse()
        return chain

    def kept(self) -> Iterator[tuple[bytes, Place]]:
        """Give what is of use, in the order of the file."""
        oldest = self.run - KEPT_RUNS
        found = [item for item in self.places.items() if item[1].run > oldest]
        yield from sorted(found, key=lambda item: item[1].at)

    def is_worth_compacting(self, size_bytes: int) -> bool:
        """Say whether less than half of a file of this size is of use, and it is not small."""
        if size_bytes < SMALL_BYTES:
            return False
        return 2 * sum(place.size_bytes for _, place in self.kept()) < size_bytes
