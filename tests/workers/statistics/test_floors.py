import pytest

from workers.statistics.floors import Floors


def test_the_held_out_floor_is_lower_by_the_forgotten_share() -> None:
    assert Floors(0.97, 40, 960).on_holdout == pytest.approx(0.93)
    assert Floors(0.2, 1, 1).on_holdout == 0.0


def test_a_reserve_raises_both_floors() -> None:
    """A tenth of the 0.03 that may differ is not used: 0.97 + 0.003."""
    floors = Floors(0.97, 40, 960, reserve=0.1)
    assert floors.on_remaining == pytest.approx(0.973)
    assert floors.on_holdout == pytest.approx(0.933)


def test_both_sets_have_to_keep_to_their_floors() -> None:
    floors = Floors(0.97, 40, 960)
    assert floors.allow(0.97)
    assert floors.allow(0.97, 0.94)
    assert not floors.allow(0.9699, 0.94)
    assert not floors.allow(0.97, 0.92)
