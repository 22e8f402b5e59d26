"""The HTTP server: uvicorn, with limits for callers that are slow, silent or too many."""

from service.serving.limits import Limits
from service.serving.server import serve

__all__ = ["Limits", "serve"]
