"""Talking to the service over HTTP, as any caller would."""

import os
import re
import time
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import httpx2

from service.cli.servers import base_url, find_running
from service.core.errors import ConfigurationError
from service.core.settings import Settings, is_url_of

PART_BYTES = 64 * 1024
UPLOAD_SECONDS = 3600.0
# What a header may hold; whether it is a key is for the service to say.
KEY = re.compile(r"[!-~]+")


class Client:
    """The API, with refusals as `ConfigurationError`s that quote the problem's detail."""

    def __init__(self, url: str, key: str) -> None:
        self._http = httpx2.Client(
            base_url=url,
            headers={"Authorization": f"Bearer {key}"},
            timeout=30,
            trust_env=False,
        )

    def get(self, path: str, **query: Any) -> Any:
        return self._send("GET", path, params=query)

    def post(
        self,
        path: str,
        body: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> Any:
        return self._send("POST", path, json=body, headers=headers)

    def upload(
        self, path: str, lines: BinaryIO, query: dict[str, str], headers: dict[str, str]
    ) -> Any:
        """Send text of any length as it is read; the answer may take minutes."""
        return self._send(
            "POST",
            path,
            params=query,
            content=iter(lambda: lines.read(PART_BYTES), b""),
            headers={"Content-Type": "text/plain", **headers},
            timeout=httpx2.Timeout(30, read=UPLOAD_SECONDS),
        )

    def pages(self, path: str, **query: Any) -> Iterator[dict[str, Any]]:
        """All items of a list, page by page."""
        cursor: str | None = None
        while True:
            given = {**query, "cursor": cursor} if cursor else query
            page = self.get(path, **given)
            yield from page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                return

    def wait_for(
        self, path: str, done: Callable[[dict[str, Any]], bool], *, every: float = 0.5
    ) -> dict[str, Any]:
        """Poll a resource until it is done."""
        while True:
            resource: dict[str, Any] = self.get(path)
            if done(resource):
                return resource
            time.sleep(every)

    def _send(self, method: str, path: str, **how: Any) -> Any:
        try:
            response = self._http.request(method, path, **how)
        except httpx2.TransportError as error:
            place = self._http.base_url.copy_with(userinfo=b"")
            raise ConfigurationError(
                f"unlearnd does not answer at {place} ({type(error).__name__}): "
                "is `unlearnd up` running?"
            ) from error
        if response.is_success:
            return response.json()
        try:
            problem = response.json()
            detail = f"{problem['title']}: {problem['detail']}"
        except (ValueError, KeyError):
            detail = f"HTTP {response.status_code}"
        raise ConfigurationError(detail)


def connect() -> Client:
    """A client for UNLEARND_URL, or for the `unlearnd up` of this home.

    Raises:
        ConfigurationError: no key is to be had, or UNLEARND_URL is none.
    """
    settings = Settings()
    named = os.environ.get("UNLEARND_URL")
    if named is not None and not is_url_of(named, ("http", "https")):
        raise ConfigurationError("Set UNLEARND_URL to something like https://unlearnd.example.org.")
    running = None if named else find_running(settings)
    return Client(named or (running.url if running else base_url(settings)), read_key(settings))


def read_key(settings: Settings) -> str:
    """UNLEARND_API_KEY, or the administrator's key of the home.

    Raises:
        ConfigurationError: there is neither, or it cannot be a key.
    """
    key, source = os.environ.get("UNLEARND_API_KEY"), "UNLEARND_API_KEY"
    if key is None:
        source = str(settings.admin_key_file)
        try:
            key = settings.admin_key_file.read_text(encoding="utf-8", errors="replace").strip()
        except FileNotFoundError:
            raise ConfigurationError(
                f"Set UNLEARND_API_KEY: there is no {source} to read a key from."
            ) from None
        except OSError as error:
            raise ConfigurationError(
                f"Set UNLEARND_API_KEY: {source} cannot be read ({error.strerror})."
            ) from None
    if not KEY.fullmatch(key):
        raise ConfigurationError(f"{source} holds no API key: set UNLEARND_API_KEY to one.")
    return key
