"""A method that lies in a new folder is found, and tried where its cost puts it. Nothing else."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import workers.unlearning
from tests.workers.memorised import Digits
from tests.workers.unlearning.stubs import run
from workers.unlearning import registry
from workers.unlearning.auto.candidates import candidates
from workers.unlearning.registry import get_method, methods, names

EXTRA = Path(__file__).with_name("extra")
MODULE = "workers.unlearning.echo"


@pytest.fixture
def echo(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The folder of the method beside those of the product."""
    assert "echo" not in names()
    monkeypatch.setattr(registry, "_methods", dict(registry._methods))
    monkeypatch.setattr(workers.unlearning, "__path__", [*workers.unlearning.__path__, str(EXTRA)])
    yield get_method("echo")
    del sys.modules[MODULE]
    delattr(workers.unlearning, "echo")


def test_it_is_tried_where_its_cost_puts_it(
    digits: Digits, echo: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = digits.problem()
    others = [one for one in candidates(methods(), problem) if one.name != "echo"]
    assert [one.name for one in others] == names_by_cost(others)

    for place, other in enumerate(others):
        if other.offer.last_resort:
            break
        # As dear as this one in all, and a little dearer: it comes right behind it.
        cost = other.offer.work.trained + other.offer.work.read / 3 + 1
        monkeypatch.setattr(type(echo), "trained", cost)
        found = [one.name for one in candidates(methods(), problem)]
        assert found.index("echo") == place + 1
    assert place > 1


def names_by_cost(known: list[Any]) -> list[str]:
    """Last resorts come last, whatever they cost."""

    def cost(one: Any) -> tuple[bool, float]:
        return one.offer.last_resort, 3 * one.offer.work.trained + one.offer.work.read

    return [one.name for one in sorted(known, key=cost)]


def test_it_is_taken_where_it_is_enough(digits: Digits, echo: Any) -> None:
    unlearned = run(digits.problem())

    assert echo.trained == 0
    assert unlearned.method == "echo"
    (tried,) = unlearned.summary["auto"]["tried"]
    assert (tried["method"], tried["level"], tried["held_back"]) == ("echo", "utility", [])
    assert tried["cost"] == {"read": 0, "trained": 0}
