"""The house's choice among the methods. The card is `docs/methods/auto.md`."""

from workers.unlearning.auto.method import Auto

__all__ = ["Auto"]
