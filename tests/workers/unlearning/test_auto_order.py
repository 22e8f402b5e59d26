"""Which methods `auto` tries, and in which order."""

import re
from pathlib import Path

import pytest

from tests.workers.memorised import Digits
from tests.workers.unlearning.stubs import Sized
from workers.unlearning.auto import method as auto
from workers.unlearning.auto.candidates import candidates
from workers.unlearning.base import (
    Problem,
)
from workers.unlearning.registry import methods, names


def order(problem: Problem) -> list[str]:
    """The registered methods that are tried, if none is enough and each has a guide."""
    return [candidate.name for candidate in candidates(methods(), problem)]


@pytest.mark.parametrize(
    ("forgotten", "remaining", "first"),
    [
        (1, 100_000, "redirect"),
        # A student of few rows is cheap.
        (40, 960, "distil"),
        (256, 10_000, "distil"),
        (256, 100_000, "redirect"),
        (600, 59_400, "redirect"),
        (601, 59_399, "distil"),
        (12_000, 48_000, "distil"),
    ],
)
def test_the_cheapest_method_that_suits_comes_first_and_a_last_resort_last(
    digits: Digits, forgotten: int, remaining: int, first: str
) -> None:
    problem = digits.problem(forgotten=Sized(forgotten), remaining=Sized(remaining))
    found = order(problem)
    without_guide = [name for name in found if name != "guided"]
    assert without_guide[0] == first
    assert found[-1] == "laf"


@pytest.mark.parametrize(
    ("forgotten", "of", "suits"),
    [
        (5, 100, True),
        (6, 100, False),
        (256, 10_000, True),
        (257, 10_000, False),
        (600, 60_000, True),
        (601, 60_000, False),
    ],
)
def test_a_large_share_is_not_redirected(
    digits: Digits, forgotten: int, of: int, suits: bool
) -> None:
    """Up to 1 %, or up to 256 samples and 5 %."""
    problem = digits.problem(forgotten=Sized(forgotten), remaining=Sized(of - forgotten))
    assert ("redirect" in order(problem)) is suits


def test_auto_names_no_method() -> None:
    """Neither in an import nor in any other word of its code."""
    folder = Path(auto.__file__).parent
    words = {
        word
        for path in folder.glob("*.py")
        for word in re.findall(r"[a-z]+", path.read_text(encoding="utf-8"))
    }
    assert len(words) > 100
    assert words.isdisjoint(set(names()) - {"auto"})
