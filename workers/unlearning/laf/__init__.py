"""LAF, label-agnostic forgetting. The method card is `docs/methods/laf.md`."""

from workers.unlearning.laf.method import Laf

__all__ = ["Laf"]
