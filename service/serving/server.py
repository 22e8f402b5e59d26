"""The API's server."""

import uvicorn

from service.core.settings import Settings
from service.serving.limits import Limits
from service.serving.protocol import protocol_of

STOP_SECONDS = 10


def serve(settings: Settings) -> None:
    """Serve the API until SIGINT or SIGTERM; what was begun by then is answered."""
    uvicorn.run(
        "service.main:create_app",
        factory=True,
        host=settings.host,
        port=settings.port,
        http=protocol_of(Limits.of(settings)),
        ws="none",
        log_config=None,
        timeout_graceful_shutdown=STOP_SECONDS,
    )
