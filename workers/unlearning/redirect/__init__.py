"""A few samples redirected to what their neighbours say. The card is `docs/methods/redirect.md`."""

from workers.unlearning.redirect.method import Redirect

__all__ = ["Redirect"]
