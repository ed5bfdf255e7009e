from __future__ import annotations

from hxgrid.user.core.agentview import AgentView
from hxgrid.user.core.ranking import Ranking


def test_the_best_is_the_smallest_and_ties_go_to_the_older() -> None:
    ranking = Ranking()
    first, second, third = (AgentView(str(index), index, None) for index in range(3))
    ranking.put(third, 0, 2.0)
    ranking.put(second, 0, 1.0)
    ranking.put(first, 0, 1.0)
    assert ranking.best() is first


def test_a_changed_key_counts_and_the_old_one_does_not() -> None:
    ranking = Ranking()
    first, second = (AgentView(str(index), index, None) for index in range(2))
    ranking.put(first, 0, 1.0)
    ranking.put(second, 0, 2.0)
    ranking.put(first, 1, 0.0)
    assert ranking.best() is second
    ranking.drop(second)
    assert ranking.best() is first
    assert len(ranking) == 1


def test_outdated_entries_do_not_pile_up() -> None:
    ranking = Ranking()
    agent = AgentView("0", 0, None)
    for number in range(10_000):
        ranking.put(agent, 0, -float(number))
    assert len(ranking._heap) < 100
