"""A storage that takes connections and never answers."""

import socket
import threading


class Silent:
    """A server on this machine. `called` is set once somebody has connected."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.prefix = f"ftp://127.0.0.1:{self._socket.getsockname()[1]}"
        self.called = threading.Event()
        self._taken: list[socket.socket] = []
        self._thread = threading.Thread(target=self._take, daemon=True)
        self._thread.start()

    def _take(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self._taken.append(connection)
            self.called.set()

    def end(self) -> None:
        # Only this wakes up what waits in `accept`.
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()
        for connection in self._taken:
            connection.close()
