"""Graphs: an order that works, circles that are named, pictures that say all in words too."""

from __future__ import annotations

import itertools
import random
import xml.etree.ElementTree as ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.core.drawing import SIGNS, Node, duration_text, table_rows, to_mermaid, to_svg, to_text
from headrace.core.errors import CycleError
from headrace.core.graph import layered, reachable, topological
from headrace.core.states import StateType

DIAMOND = [("load", "clean"), ("load", "check"), ("clean", "join"), ("check", "join")]
NAMES = ["load", "clean", "check", "join"]


def test_the_order_is_the_given_one_where_nothing_speaks_against_it() -> None:
    assert topological(NAMES, DIAMOND) == NAMES
    assert topological(["b", "a"], []) == ["b", "a"]
    assert topological(["b", "a"], [("a", "b")]) == ["a", "b"]


@given(st.integers(1, 30), st.randoms(use_true_random=False))
def test_every_node_comes_after_its_upstream_ones(size: int, rng: random.Random) -> None:
    nodes = [str(n) for n in range(size)]
    hidden = nodes[:]
    rng.shuffle(hidden)
    edges = [(hidden[i], hidden[j]) for i in range(size) for j in range(i + 1, size) if rng.random() < 0.2]
    order = topological(nodes, edges)
    place = {node: n for n, node in enumerate(order)}
    assert all(place[a] < place[b] for a, b in edges)
    layers = {p.id: p.layer for p in layered(nodes, edges)}
    assert all(layers[a] < layers[b] for a, b in edges)
    assert len({(p.layer, p.row) for p in layered(nodes, edges)}) == size


@pytest.mark.parametrize(
    ("edges", "words"),
    [
        ([("a", "b"), ("b", "a")], {"a → b → a", "b → a → b"}),
        ([("a", "a")], {"a → a"}),
        (
            [("x", "a"), ("a", "b"), ("b", "c"), ("c", "a"), ("c", "y")],
            {"a → b → c → a", "b → c → a → b", "c → a → b → c"},
        ),
    ],
    ids=["two", "itself", "three with a way in and out"],
)
def test_a_circle_is_named_by_its_nodes(edges: list[tuple[str, str]], words: set[str]) -> None:
    with pytest.raises(CycleError) as caught:
        topological(["x", "a", "b", "c", "y"], edges)
    assert any(word in str(caught.value) for word in words)


def test_ten_thousand_nodes_in_a_row_are_no_problem() -> None:
    nodes = [str(n) for n in range(10_000)]
    edges = list(itertools.pairwise(nodes))
    assert topological(nodes[::-1], edges) == nodes
    assert layered(nodes, edges)[-1].layer == 9_999


def test_what_is_downstream_is_found() -> None:
    assert reachable(["clean"], DIAMOND) == {"clean", "join"}
    assert reachable(["join"], [(b, a) for a, b in DIAMOND]) == set(NAMES)


def nodes() -> list[Node]:
    return [
        Node(id="load", label="load", state_type="COMPLETED", state_name="Cached", duration_seconds=0.012),
        Node(id="clean", label="clean <b>&", state_type="FAILED", state_name="TimedOut", duration_seconds=61),
        Node(id="check", label="check", note="stale"),
        Node(id="join", label="join" * 20),
    ]


def test_the_table_says_state_duration_and_upstream_in_words() -> None:
    rows = table_rows(nodes(), DIAMOND)
    assert rows[0] == ("load", "✔ Cached", "12 ms", "")
    assert rows[1] == ("clean <b>&", "✖ TimedOut", "1 min 01 s", "load")
    assert rows[2] == ("check", "○ not run (stale)", "", "load")
    assert rows[3][3] == "clean <b>&, check"
    assert to_text(nodes(), DIAMOND).count("\n") == 4


def test_the_picture_is_well_formed_and_its_text_is_text() -> None:
    root = ElementTree.fromstring(to_svg(nodes(), DIAMOND, title='<script>"&'))
    text = [element.text for element in root.iter() if element.tag.endswith("text")]
    assert "clean <b>&" in text
    assert not [
        e for e in root.iter() if e.tag.rsplit("}")[-1] not in {"svg", "title", "style", "path", "g", "rect", "text"}
    ]
    assert sum(e.tag.endswith("path") for e in root.iter()) == 4


def test_an_empty_graph_is_a_picture_too() -> None:
    ElementTree.fromstring(to_svg([], []))
    assert table_rows([], []) == []


def test_every_state_type_has_a_sign_of_its_own() -> None:
    assert {state.value for state in StateType} | {""} == set(SIGNS)
    assert len({sign[0] for sign in SIGNS.values()}) == len(SIGNS)


def test_mermaid_text_keeps_names_inside_quotes() -> None:
    text = to_mermaid([Node(id="a", label='x"]\n--> evil')], [("a", "zz")])
    assert text == 'flowchart LR\n  n0["x#quot;] --> evil"]'


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, ""),
        (0, "0 ms"),
        (0.0994, "99 ms"),
        (0.0996, "0.1 s"),
        (9.94, "9.9 s"),
        (59.9, "60 s"),
        (59.96, "1 min 00 s"),
        (3725, "1 h 02 min"),
    ],
)
def test_durations_are_for_people(seconds: float | None, text: str) -> None:
    assert duration_text(seconds) == text
