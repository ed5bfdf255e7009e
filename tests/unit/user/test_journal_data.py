"""Which global data a result may depend on, and whether it is still the same."""

from __future__ import annotations

from collections.abc import Callable

from hxgrid.user.journal_data import DataCheck, GivenData
from hxgrid.user.journal_format import Node


class Application:
    """Answers questions for data when it is told to."""

    def __init__(self, **data: str) -> None:
        self.data = data
        self.asked: list[str] = []
        self.waiting: list[tuple[str, Callable[[str], None]]] = []

    def ask(self, name: str, tell: Callable[[str], None]) -> None:
        self.asked.append(name)
        self.waiting.append((name, tell))

    def answer(self) -> None:
        while self.waiting:
            name, tell = self.waiting.pop(0)
            tell(self.data.get(name, ""))


def _given() -> tuple[GivenData, dict[int, Node]]:
    nodes: dict[int, Node] = {}
    return GivenData({}, lambda node: nodes.update({node.number: node})), nodes


def _chain_in(nodes: dict[int, Node]) -> Callable[[int], list[Node] | None]:
    def chain(number: int) -> list[Node] | None:
        found = []
        while number:
            if number not in nodes:
                return None
            found.append(nodes[number])
            number = nodes[number].parent
        return found[::-1]

    return chain


def test_a_result_depends_on_all_that_its_agent_was_given_before() -> None:
    given, nodes = _given()
    assert given.node_of("a") == 0
    given.note("a", "mesh", "m1")
    given.note("a", "light", "l1")

    chain = _chain_in(nodes)(given.node_of("a") or 0)

    assert chain is not None
    assert [(node.name, node.digest) for node in chain] == [("mesh", "m1"), ("light", "l1")]
    assert given.node_of("b") == 0


def test_agents_that_were_given_the_same_share_their_nodes() -> None:
    given, nodes = _given()
    for agent in "abc":
        given.note(agent, "mesh", "m1")
        given.note(agent, "mesh", "m1")

    assert given.node_of("a") == given.node_of("c")
    assert len(nodes) == 1


def test_nodes_of_earlier_runs_are_used_again_and_their_numbers_are_not() -> None:
    written: list[Node] = []
    given = GivenData({7: Node(7, 0, "mesh", "m1")}, written.append)
    given.note("a", "mesh", "m1")
    given.note("a", "light", "l1")

    assert written == [Node(8, 7, "light", "l1")]


def test_nothing_is_kept_of_an_agent_that_was_given_two_answers_for_one_name() -> None:
    given, _ = _given()
    given.note("a", "mesh", "m1")
    given.note("a", "mesh", "m2")
    given.note("a", "mesh", "m1")

    assert given.node_of("a") is None


def _verdict(check: DataCheck, node: int, application: Application) -> bool:
    verdicts: list[bool] = []
    check.check(node, verdicts.append)
    application.answer()
    assert len(verdicts) == 1
    return verdicts[0]


NODES = {
    1: Node(1, 0, "mesh", "m1"),
    2: Node(2, 1, "light", "l1"),
    3: Node(3, 1, "light", "l2"),
    4: Node(4, 2, "none", ""),
}


def test_data_is_the_same_if_every_name_gives_what_it_gave() -> None:
    application = Application(mesh="m1", light="l1")
    check = DataCheck(_chain_in(NODES), application.ask)

    assert _verdict(check, 0, application)
    assert _verdict(check, 2, application)
    assert _verdict(check, 4, application)
    assert not _verdict(check, 3, application)
    assert application.asked == ["mesh", "light", "none"]


def test_all_behind_a_changed_name_is_changed_and_nothing_more_is_asked() -> None:
    application = Application(mesh="other", light="l1")
    check = DataCheck(_chain_in(NODES), application.ask)

    assert not _verdict(check, 4, application)
    assert not _verdict(check, 2, application)
    assert application.asked == ["mesh"]


def test_many_who_wait_for_one_name_cost_one_question() -> None:
    application = Application(mesh="m1", light="l2")
    check = DataCheck(_chain_in(NODES), application.ask)
    verdicts: list[tuple[int, bool]] = []
    for node in (1, 2, 3):
        check.check(node, lambda is_same, node=node: verdicts.append((node, is_same)))  # type: ignore[misc]
    application.answer()

    assert sorted(verdicts) == [(1, True), (2, False), (3, True)]
    assert application.asked == ["mesh", "light"]


def test_forgotten_data_is_asked_for_again_and_an_old_answer_does_not_count() -> None:
    application = Application(mesh="m1")
    check = DataCheck(_chain_in(NODES), application.ask)
    assert _verdict(check, 1, application)
    application.data["mesh"] = "m2"
    check.forget()
    verdicts: list[bool] = []
    check.check(1, verdicts.append)
    old = application.waiting.pop()[1]
    check.forget()
    old("m1")
    assert verdicts == []

    application.answer()

    assert verdicts == [False]


def test_a_node_that_is_missing_makes_a_result_useless() -> None:
    application = Application()

    assert not _verdict(DataCheck(_chain_in(NODES), application.ask), 99, application)
