"""The list of rows, and that each of ours is tested or cannot happen."""

from __future__ import annotations

from tests.harness import rows

OURS = "never-lose"


def test_the_list_is_whole() -> None:
    numbers = [row.number for row in rows.read_rows(rows.LIST.read_text(encoding="utf-8"))]
    counted = {"H": 19, "K": 12, "B": 50}
    assert numbers == [f"{letter}{n + 1}" for letter, last in counted.items() for n in range(last)]


def test_each_row_is_tested_or_cannot_happen_or_is_somebody_elses() -> None:
    listed = rows.read_rows(rows.LIST.read_text(encoding="utf-8"))
    tests = rows.tests_by_row(rows.names_in(rows.TESTS))
    decided = rows.reasons(rows.decisions())
    assert set(tests) <= {row.number for row in listed}, "a test of a row that does not exist"
    assert not decided & set(tests), "a row that cannot happen has a test"
    missing = [row for row in listed if row.number not in decided | set(tests)]
    assert [row.number for row in missing if row.owner == OURS] == []


def test_a_name_may_begin_with_several_numbers() -> None:
    assert rows.rows_of("test_b34_b35_names_are_kept") == ["B34", "B35"]
    assert rows.rows_of("test_h4_no_leak") == ["H4"]
    assert rows.rows_of("test_hold") == rows.rows_of("test_b_4") == rows.rows_of("b34_x") == []


def test_tests_are_counted_once_whatever_their_parameters() -> None:
    names = ["test_h4_a", "test_h4_a", "test_b1_h4_b", "test_other"]
    assert rows.tests_by_row(names) == {"H4": ["test_h4_a", "test_b1_h4_b"], "B1": ["test_b1_h4_b"]}


def test_the_table_names_tests_reasons_and_owners() -> None:
    listed = rows.read_rows("# head\nH1 ours one\nH2 ours two\nH3 later three\n")
    drawn = rows.table(listed, {"H1": ["test_h1_a", "test_h1_b"]}, {"H2"})
    assert drawn == [
        "H1   test_h1_a and 1 more",
        "H2   cannot happen here: docs/decisions/",
        "H3   no test; owner: later",
        "1 of 3 rows have tests, 2 in all",
    ]


def test_only_a_line_with_words_is_a_reason() -> None:
    text = "* **B42**: one connection\n* **B43**:\nB44: not so\n"
    assert rows.reasons([text]) == {"B42"}
