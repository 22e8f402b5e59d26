"""Every life cycle, over all pairs of its states."""

from enum import StrEnum
from typing import Any

import pytest

from service.core.errors import IllegalMoveError
from service.core.states import LifeCycle
from service.core.tables import (
    Dataset,
    DatasetState,
    DeletionRequest,
    Job,
    JobState,
    Model,
    ModelState,
    ModelVersion,
    RequestState,
    VersionState,
)

STATES: dict[type[Any], type[StrEnum]] = {
    Dataset: DatasetState,
    DeletionRequest: RequestState,
    Job: JobState,
    Model: ModelState,
    ModelVersion: VersionState,
}
# Where a row begins; version 1, which is imported, begins as published.
FIRST: dict[type[Any], str] = {
    Dataset: "indexing",
    DeletionRequest: "staged",
    Job: "queued",
    Model: "validating",
    ModelVersion: "staging",
}
FINAL: dict[type[Any], set[str]] = {
    Dataset: {"ready", "invalid"},
    DeletionRequest: {"completed", "cancelled"},
    Job: {"published", "failed", "cancelled"},
    Model: {"ready", "invalid"},
    ModelVersion: {"rejected", "destroyed"},
}
CLASSES = sorted(STATES, key=lambda cls: cls.__name__)


PAIRS = [
    pytest.param(cls, source, target, id=f"{cls.__name__}-{source}-{target}")
    for cls in CLASSES
    for source in STATES[cls]
    for target in STATES[cls]
]


def test_no_life_cycle_is_left_out() -> None:
    assert set(LifeCycle.__subclasses__()) == set(STATES)


@pytest.mark.parametrize(("cls", "source", "target"), PAIRS)
def test_a_row_moves_where_its_table_says_and_nowhere_else(
    cls: type[Any], source: StrEnum, target: StrEnum
) -> None:
    row = cls(state=source)

    if target in cls.MOVES.get(source, frozenset()):
        row.move_to(target)
        assert row.state == target
    else:
        with pytest.raises(IllegalMoveError) as refused:
            row.move_to(target)
        assert row.state == source
        assert refused.value.facts == {"state": source.value}
        assert isinstance(row.state, StrEnum)


@pytest.mark.parametrize("cls", CLASSES)
def test_the_table_names_no_state_that_does_not_exist(cls: type[Any]) -> None:
    states = {state.value for state in STATES[cls]}

    assert set(cls.MOVES) <= states
    assert set().union(*cls.MOVES.values()) <= states


@pytest.mark.parametrize("cls", CLASSES)
def test_every_state_can_be_reached(cls: type[Any]) -> None:
    reached, fresh = set[str](), {FIRST[cls]}
    while fresh:
        reached |= fresh
        fresh = set().union(*(cls.MOVES.get(state, set()) for state in fresh)) - reached

    assert reached == {state.value for state in STATES[cls]}


@pytest.mark.parametrize("cls", CLASSES)
def test_what_is_over_stays_over(cls: type[Any]) -> None:
    final = {state.value for state in STATES[cls] if not cls.MOVES.get(state)}

    assert final == FINAL[cls]


@pytest.mark.parametrize("cls", CLASSES)
def test_no_state_can_be_moved_to_itself(cls: type[Any]) -> None:
    assert all(source not in targets for source, targets in cls.MOVES.items())
