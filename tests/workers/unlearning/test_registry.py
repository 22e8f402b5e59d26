import pytest

from workers.unlearning import registry
from workers.unlearning.auto import Auto
from workers.unlearning.laf import Laf
from workers.unlearning.registry import UnknownMethodError


def test_every_package_registers_its_method() -> None:
    assert registry.names() == ["auto", "distil", "guided", "laf", "redirect"]
    assert isinstance(registry.get_method(), Auto)
    assert isinstance(registry.get_method("laf"), Laf)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(
        UnknownMethodError, match=r'no unlearning method "gone". Known: auto, .*laf'
    ):
        registry.get_method("gone")


def test_a_name_is_taken_once() -> None:
    class Other(Laf):
        pass

    with pytest.raises(ValueError, match="taken"):
        registry.register(Other)
