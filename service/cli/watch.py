"""A live progress bar for a deletion request."""

import time
from typing import Any

from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from service.cli.client import Client
from service.cli.console import err

WAITING = ("staged", "processing")
POLL_SECONDS = 0.3


def phase_of(request: dict[str, Any]) -> str:
    running = [job for job in request["jobs"] if job["state"] == "running"]
    if running:
        again = f", attempt {running[0]['attempt']}" if running[0]["attempt"] > 1 else ""
        return f"{running[0]['phase']}{again}"
    if any(job["state"] == "needs_review" for job in request["jobs"]):
        return "waiting for review"
    return str(request["state"])


def is_over(request: dict[str, Any]) -> bool:
    """Whether polling on would show nothing new until somebody acts."""
    live = any(job["state"] in ("queued", "running") for job in request["jobs"])
    review = any(job["state"] == "needs_review" for job in request["jobs"])
    return request["state"] not in WAITING or (review and not live)


def watch(client: Client, request_id: str) -> dict[str, Any]:
    """Follow a request to its end; returns it as it is then."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=40),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
    )
    path = f"/v1/deletion-requests/{request_id}"
    # Before the bar: a request that is not there must leave an error and nothing else.
    request: dict[str, Any] = client.get(path)
    with Progress(*columns, console=err, transient=False) as bar:
        task = bar.add_task("staged", total=1.0)
        while True:
            bar.update(task, completed=request["progress"], description=f"{phase_of(request):<18}")
            if is_over(request):
                return request
            time.sleep(POLL_SECONDS)
            request = client.get(path)
