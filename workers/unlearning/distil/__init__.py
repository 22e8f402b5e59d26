"""Distillation on remaining data into fresh weights. The card is `docs/methods/distil.md`."""

from workers.unlearning.distil.method import Distil

__all__ = ["Distil"]
