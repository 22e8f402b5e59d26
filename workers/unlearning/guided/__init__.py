"""Forgotten samples redirected to what a student says. The card is `docs/methods/guided.md`."""

from workers.unlearning.guided.method import Guided

__all__ = ["Guided"]
