"""`unlearnd datasets|models|requests|jobs`: the API from a shell."""

import json
import re
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.table import Table

from service.api.schemas import NAME
from service.cli.client import connect
from service.cli.console import fail, out
from service.cli.watch import watch

datasets = typer.Typer(no_args_is_help=True, help="Register and list training sets.")
models = typer.Typer(no_args_is_help=True, help="Register and list models and their versions.")
requests = typer.Typer(no_args_is_help=True, help="Delete samples, and follow what becomes of it.")
jobs = typer.Typer(no_args_is_help=True, help="Look at unlearning jobs, and stop them.")

INVALID = "invalid"
Description = Annotated[Path, typer.Argument(help="A JSON file with the body of the request.")]


def name(text: str) -> str:
    """What may be put into a path of the API without leading to another one.

    Raises:
        BadParameter: nothing has such a name.
    """
    if not re.fullmatch(NAME, text):
        raise typer.BadParameter(f"{text!r} is no name: see `list`.")
    return text


Name = Annotated[str, typer.Argument(parser=name, metavar="NAME")]
ID = Annotated[UUID, typer.Argument(metavar="ID", show_default=False)]


def show(resource: Any) -> None:
    out.print_json(json.dumps(resource))


def table(items: Any, *columns: str) -> None:
    """Some fields of a list of resources: a table for people, else tab-separated lines."""
    rows = [["" if item[name] is None else str(item[name]) for name in columns] for item in items]
    if not out.is_terminal:
        # For other programs: nothing is cut to the width of a screen.
        for row in (list(columns), *rows):
            out.print("\t".join(row), markup=False, soft_wrap=True)
        return
    listed = Table()
    for name in columns:
        listed.add_column(name, overflow="fold", no_wrap=name in ("id", "name"))
    for row in rows:
        listed.add_row(*row)
    out.print(listed)


def read_body(path: Path) -> dict[str, Any]:
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        fail(f"{path} cannot be read as JSON: {error}")
    if not isinstance(body, dict):
        fail(f"{path} must hold one JSON object.")
    return body


def register(kind: str, description: Path, waits_in: str) -> None:
    """Post a description, and wait until a worker has checked it."""
    client = connect()
    made = client.post(f"/v1/{kind}", read_body(description))
    checked = client.wait_for(f"/v1/{kind}/{made['name']}", lambda row: row["state"] != waits_in)
    show(checked)
    if checked["state"] == INVALID:
        fail(str(checked["reason"]))


@datasets.command("register")
def register_dataset(description: Description) -> None:
    """Register a dataset, and wait until it is indexed."""
    register("datasets", description, "indexing")


@datasets.command("list")
def list_datasets() -> None:
    table(connect().pages("/v1/datasets"), "name", "state", "rows", "holdout_rows", "tv")


@datasets.command("show")
def show_dataset(name: Name) -> None:
    show(connect().get(f"/v1/datasets/{name}"))


@models.command("register")
def register_model(description: Description) -> None:
    """Register a model, and wait until a worker has run one batch through it."""
    register("models", description, "validating")


@models.command("list")
def list_models() -> None:
    table(connect().pages("/v1/models"), "name", "dataset", "state", "version", "tv")


@models.command("show")
def show_model(name: Name) -> None:
    show(connect().get(f"/v1/models/{name}"))


@models.command("versions")
def list_versions(name: Name) -> None:
    table(connect().pages(f"/v1/models/{name}/versions"), "version", "state", "tv", "digest", "uri")


@requests.command("create")
def create_request(
    dataset: Annotated[str, typer.Option(help="The dataset's name.")],
    ids: Annotated[
        Path | None, typer.Option(help="A file with one sample ID a line. Default: standard input.")
    ] = None,
    key: Annotated[str | None, typer.Option(help="An Idempotency-Key.")] = None,
) -> None:
    """Delete samples. Their IDs come from a file or standard input, never from the command line."""
    try:
        text = ids.read_text(encoding="utf-8") if ids else sys.stdin.read()
    except OSError as error:
        fail(f"{ids} cannot be read: {error.strerror}.")
    sample_ids = [line for line in text.splitlines() if line]
    if not sample_ids:
        fail("Give at least one sample ID, one a line.")
    headers = {"Idempotency-Key": key} if key else None
    body = {"dataset": dataset, "sample_ids": sample_ids}
    show(connect().post("/v1/deletion-requests", body, headers))


@requests.command("upload")
def upload_request(
    ids: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", allow_dash=True, help="One sample ID a line. `-`: standard input."
        ),
    ],
    dataset: Annotated[str, typer.Option(help="The dataset's name.")],
    regulation: Annotated[str | None, typer.Option(help="gdpr, ccpa or none.")] = None,
    received_at: Annotated[
        str | None, typer.Option(help="When the person asked, as 2026-01-31T12:00:00Z.")
    ] = None,
    client_reference: Annotated[str | None, typer.Option(help="Yours, to find it by.")] = None,
    key: Annotated[str | None, typer.Option(help="An Idempotency-Key.")] = None,
) -> None:
    """Delete samples, any number of them: the file is sent as it is read."""
    given = {
        "dataset": dataset,
        "regulation": regulation,
        "received_at": received_at,
        "client_reference": client_reference,
    }
    query = {name: value for name, value in given.items() if value is not None}
    headers = {"Idempotency-Key": key} if key else {}
    client = connect()
    try:
        with nullcontext(sys.stdin.buffer) if str(ids) == "-" else ids.open("rb") as lines:
            show(client.upload("/v1/deletion-requests/uploads", lines, query, headers))
    except OSError as error:
        fail(f"{ids} cannot be read: {error.strerror}.")


@requests.command("list")
def list_requests() -> None:
    listed = connect().pages("/v1/deletion-requests")
    table(listed, "id", "dataset", "state", "tv", "accepted_at", "due_at", "overdue")


@requests.command("show")
def show_request(request_id: ID) -> None:
    show(connect().get(f"/v1/deletion-requests/{request_id}"))


@requests.command("watch")
def watch_request(request_id: ID) -> None:
    """Follow a request with a progress bar. Ends with code 1 unless it was completed."""
    request = watch(connect(), str(request_id))
    show(request)
    if request["state"] != "completed":
        fail(f"The request is {request['state']}.")


@jobs.command("list")
def list_jobs() -> None:
    listed = connect().pages("/v1/jobs")
    table(
        listed,
        "id",
        "model",
        "state",
        "phase",
        "progress",
        "attempt",
        "version",
        "target_level",
        "level",
        "reason_code",
        "reason",
    )


@jobs.command("show")
def show_job(job_id: ID) -> None:
    show(connect().get(f"/v1/jobs/{job_id}"))


@jobs.command("cancel")
def cancel_job(job_id: ID) -> None:
    """End a job that waits, or ask a running one to stop. Its requests have to be retried."""
    show(connect().post(f"/v1/jobs/{job_id}:cancel"))
