"""`unlearnd demo`: the main job on real images, end to end, over HTTP."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import unquote, urlsplit

import typer
from rich.table import Table

from service.cli.client import Client
from service.cli.console import err, fail, out
from service.cli.preflight import make_folder
from service.cli.stack import Stack, stack
from service.cli.watch import watch
from service.core.errors import ConfigurationError
from service.core.logging import configure_logging
from service.core.settings import Settings
from service.supervisor import stop_signals

MARK = ".unlearnd-demo"


class Dataset(StrEnum):
    DIGITS = "digits"
    FASHION_MNIST = "fashion-mnist"


@dataclass(frozen=True)
class Result:
    """What a demo ends with."""

    request: dict[str, Any]
    parent: dict[str, Any]
    version: dict[str, Any]
    before: dict[str, Any]
    after: dict[str, Any]
    total_seconds: float
    published_seconds: float

    def as_report(self) -> dict[str, Any]:
        counts = dict(self.request["counts"])
        total = counts.pop("total")
        return {
            "request_id": self.request["id"],
            "status": self.request["state"],
            "model": self.version["model"],
            "parent_version": self.parent["version"],
            "version": self.version["version"],
            "digest": self.version["digest"],
            "samples": total,
            "dispositions": counts,
            "seconds": {
                "total": round(self.total_seconds, 2),
                "request_to_published": round(self.published_seconds, 2),
            },
            "before": self.before,
            "after": self.after,
        }


def demo(
    dataset: Annotated[Dataset, typer.Option(help="Which images to train on.")] = Dataset.DIGITS,
    report: Annotated[
        Path | None, typer.Option(help="Also write the figures to this file, as JSON.")
    ] = None,
) -> None:
    """Train a network, delete samples over HTTP, and see the unlearned version published.

    Everything happens in UNLEARND_HOME/demo, on servers of its own, and nothing keeps running.
    """
    started = time.monotonic()
    settings = Settings(
        home=empty_home(Settings().home_dir / "demo"),
        port=free_port(),
        host="127.0.0.1",
        database_url=None,
        redis_url=None,
        storage=None,
        work_dir=None,
        sources=None,
    )
    configure_logging("WARNING", process="demo")
    if report is not None and not report.resolve().parent.is_dir():
        fail(f"{report.resolve().parent} is no folder to write the report to.")

    err.print(f"[bold]1.[/] Training a network on {dataset} (with a few wrong labels) ...")
    described = prepare(dataset, settings.home_dir / "data")
    err.print("[bold]2.[/] Starting PostgreSQL, Redis, API, dispatcher and workers ...")
    with stop_signals() as signals:
        logs = settings.home_dir / "log"
        with stack(settings, signals, logs) as service:
            if signals.stop.is_set():
                raise typer.Exit(130)
            result = run(service, described, started)
    show(result, described, settings)
    if report is not None:
        report.write_text(json.dumps(result.as_report(), indent=2) + "\n", encoding="utf-8")
        err.print(f"The figures are in {report}.")
    if result.request["state"] != "completed":
        fail(f"The request is {result.request['state']}.")


def empty_home(path: Path) -> Path:
    """A fresh folder for the demo. Only one that an earlier demo made is ever removed."""
    if path.exists():
        if not (path / MARK).exists():
            raise ConfigurationError(f"{path} was not made by `unlearnd demo`: move it away.")
        shutil.rmtree(path)
    make_folder(path, "UNLEARND_HOME")
    (path / MARK).touch()
    return path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def prepare(dataset: Dataset, folder: Path) -> dict[str, Any]:
    """Have a worker's process make the data and train the network."""
    run_worker_half("prepare", "--dataset", dataset.value, str(folder))
    described: dict[str, Any] = json.loads((folder / "demo.json").read_text(encoding="utf-8"))
    return described


def run_worker_half(*args: str) -> str:
    command = [sys.executable, "-m", "workers.demo", *args]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=dict(os.environ))
    if done.returncode != 0:
        raise ConfigurationError("The demo's data and network could not be made; see above.")
    return done.stdout


def run(service: Stack, described: dict[str, Any], started: float) -> Result:
    """Register, delete, follow, and measure: all of it through the API."""
    client = Client(service.url, service.key)
    name = described["name"]
    err.print("[bold]3.[/] Registering the dataset and the model ...")
    client.post("/v1/datasets", dataset_body(described))
    checked(client.wait_for(f"/v1/datasets/{name}", lambda row: row["state"] != "indexing"))
    client.post("/v1/models", model_body(described))
    checked(client.wait_for(f"/v1/models/{name}", lambda row: row["state"] != "validating"))

    err.print(f"[bold]4.[/] Asking for {len(described['forget'])} samples to be deleted ...")
    posted = time.monotonic()
    body = {"dataset": name, "sample_ids": described["forget"]}
    accepted = client.post("/v1/deletion-requests", body, {"Idempotency-Key": "demo"})
    request = watch(client, accepted["id"])
    published_seconds = time.monotonic() - posted
    if not request["versions"]:
        reasons = "; ".join(str(job["reason"]) for job in request["jobs"])
        fail(f"The request is {request['state']}, and no version was published: {reasons}")

    parent = client.get(f"/v1/models/{name}/versions/1")
    version = client.get(request["versions"][0]["href"])
    before, after = figures(service, described, parent, version)
    return Result(
        request=request,
        parent=parent,
        version=version,
        before=before,
        after=after,
        total_seconds=time.monotonic() - started,
        published_seconds=published_seconds,
    )


def dataset_body(described: dict[str, Any]) -> dict[str, Any]:
    pixels = {
        "column": "pixels",
        "kind": "array",
        "shape": described["shape"],
        "scale": described["scale"],
    }
    return {
        "name": described["name"],
        "uri": described["train"],
        "holdout_uri": described["holdout"],
        "id_column": "sample_id",
        "label_column": "label",
        "inputs": [pixels],
    }


def model_body(described: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": described["name"],
        "dataset": described["name"],
        "source_uri": described["model"],
        "architecture": {"kind": "module", "factory": described["factory"]},
    }


def checked(resource: dict[str, Any]) -> None:
    if resource["state"] != "ready":
        fail(f"{resource['name']} is {resource['state']}: {resource['reason']}")


def figures(
    service: Stack,
    described: dict[str, Any],
    parent: dict[str, Any],
    version: dict[str, Any],
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Accuracies by labels, and what the audit measured without any, before and after."""
    audit = version["audit"]
    attacks, memory = audit["membership"] or {}, audit["contradiction"]
    kept = {name: audit[name]["agreement"] for name in ("remaining", "holdout") if audit[name]}
    before = {
        "accuracy": accuracies(service, described, parent),
        "agreement": dict.fromkeys(kept, 1.0),
        "membership_auc": {name: attack["before"]["auc"] for name, attack in attacks.items()},
        "contradicted": {"excess": memory["before"]["excess"]} if memory else {},
    }
    after = {
        "accuracy": accuracies(service, described, version),
        "agreement": kept,
        "membership_auc": {name: attack["after"]["auc"] for name, attack in attacks.items()},
        "contradicted": {"excess": memory["after"]["excess"]} if memory else {},
        "audit_level": audit["level"],
    }
    return before, after


def show(result: Result, described: dict[str, Any], settings: Settings) -> None:
    """Before and after, where the version lies, and how to load it."""
    table = Table(title=f"{described['name']}: {len(described['forget'])} samples unlearned")
    table.add_column("measured")
    table.add_column("before", justify="right")
    table.add_column("after", justify="right")
    titles = {
        "accuracy": "accuracy on {} samples (labels, report only)",
        "agreement": "agreement with the parent, {} samples",
        "membership_auc": "membership AUC by {} (0.5 is chance)",
        "contradicted": "contradiction by neighbours, {} (0 is none)",
    }
    for group, title in titles.items():
        for name, value in result.before[group].items():
            after = result.after[group][name]
            table.add_row(title.format(name), f"{value:.3f}", f"{after:.3f}")
    out.print(table)
    path = path_of(result.version)
    audit = result.version["audit"]
    out.print(f"Audit level: [bold]{audit['level']}[/]. {audit['statement']}")
    out.print(f"Version {result.version['version']}: {path}", soft_wrap=True)
    out.print(f"Logs: {settings.home_dir / 'log'}", soft_wrap=True)
    module, _, function = described["factory"].partition(":")
    out.print("\nLoad it like its parent:")
    out.print(
        f"  from {module} import {function}; from safetensors.torch import load_file\n"
        f"  model = {function}()\n"
        f'  model.load_state_dict(load_file("{path}/model.safetensors"))',
        soft_wrap=True,
    )


def accuracies(
    service: Stack, described: dict[str, Any], version: dict[str, Any]
) -> dict[str, float]:
    answer = run_worker_half(
        "report",
        *("--version", str(path_of(version))),
        *("--factory", described["factory"]),
        *("--scale", str(described["scale"])),
        str(service.settings.home_dir / "data"),
    )
    figures: dict[str, float] = json.loads(answer)
    return figures


def path_of(version: dict[str, Any]) -> Path:
    return Path(unquote(urlsplit(version["uri"]).path))
