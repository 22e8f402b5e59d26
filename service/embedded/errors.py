"""What goes wrong with an embedded server."""

from service.core.errors import CannotStartError


class EmbeddedServerError(CannotStartError):
    """An embedded server does not start; the first line says why."""
