"""What is answered where no request gets as far as the application."""

from dataclasses import dataclass
from http import HTTPStatus

from service.api.problems import MEDIA_TYPE, RETRY_AFTER_SECONDS, Problem

HEAD_TOO_SLOW = 408
BUSY = 503


@dataclass(frozen=True)
class Refusal:
    code: str
    title: str
    detail: str


REFUSALS = {
    HEAD_TOO_SLOW: Refusal(
        code="head-too-slow",
        title="The request did not come",
        detail="The head of the request took too long: send it at once.",
    ),
    431: Refusal(
        code="head-too-large",
        title="The head of the request is too large",
        detail="Send fewer headers, and a shorter query.",
    ),
    501: Refusal(
        code="not-implemented",
        title="The coding of the body is not read here",
        detail="Send the body with a Content-Length, or in chunks.",
    ),
    BUSY: Refusal(
        code="busy",
        title="The service is busy",
        detail="There are too many connections. Nothing was changed; send the same request again.",
    ),
}
NO_HTTP = Refusal("bad-request", "Bad Request", "This is no request of HTTP/1.1.")
TWO_MEANINGS = Refusal(
    code="ambiguous-request",
    title="The request can be read in two ways",
    detail="Send each header once, and a Content-Length or chunks, not both.",
)
# A proxy in front may take another one of several than we do.
ONCE = (b"authorization", b"content-type", b"idempotency-key", b"range")
LENGTHS = {b"content-length", b"transfer-encoding"}


def has_two_meanings(headers: list[tuple[bytes, bytes]]) -> bool:
    """Whether the head of a request, with names in small letters, says something twice."""
    names = [name for name, _ in headers]
    return set(names) >= LENGTHS or any(names.count(name) > 1 for name in ONCE)


def refusal(
    status: int, words: Refusal | None = None
) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """Status, headers and body. Whatever has no words of its own here is a 400."""
    found = words or REFUSALS.get(status)
    if found is None:
        status, found = HTTPStatus.BAD_REQUEST.value, NO_HTTP
    body = Problem(
        type=f"/problems/{found.code}",
        title=found.title,
        status=status,
        detail=found.detail,
        instance="/",
    )
    text = body.model_dump_json().encode()
    headers = [
        (b"content-type", MEDIA_TYPE.encode()),
        (b"content-length", str(len(text)).encode()),
        (b"connection", b"close"),
    ]
    if status == BUSY:
        headers.append((b"retry-after", str(RETRY_AFTER_SECONDS).encode()))
    return status, headers, text
