"""A server of uvicorn in a thread of the test, on a socket of the loopback address."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from tests.waiting import wait_until


@contextmanager
def on_loopback(config: uvicorn.Config) -> Iterator[int]:
    """Serve as `config` says -> the port, once the server answers there."""
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            wait_until(lambda: server.started, every=0.01)
            yield listening.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(10)
            assert not thread.is_alive()
