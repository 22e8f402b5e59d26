"""What goes wrong with an embedded server."""


class EmbeddedServerError(Exception):
    """An embedded server does not start; the first line says why."""
