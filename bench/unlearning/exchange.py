"""Other people's code on the same split: `python -m bench.unlearning.exchange give|judge`.

`give` writes a task's images, labels, forgotten rows and original network, for any program to
read; `judge` measures the network that it made in the columns of the benchmark. The recipe for the
official code of LAF is in `docs/methods/laf.md`.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from bench.unlearning.compare import NOTHING, ORACLE, Row, load_images
from bench.unlearning.images import SOURCES
from bench.unlearning.measures import measure
from bench.unlearning.networks import fresh, oracle, original
from bench.unlearning.projection import view
from bench.unlearning.tables import show
from bench.unlearning.tasks import TASKS, make_task
from bench.unlearning.training import Cost

SPLIT = "split.npz"
WEIGHTS = "original.safetensors"
CPU = torch.device("cpu")


def give(given: argparse.Namespace) -> None:
    """Write `split.npz` and `original.safetensors` into a folder.

    In the split: train (n, c, h, w) uint8, labels (n,) as they were trained with, forgotten (n,)
    bool, holdout (h, c, h, w), test (t, c, h, w), test_labels (t,), scale ().
    """
    images = load_images(given.images, None)
    task = make_task(given.task, images, given.seed)
    network = original(images, task, given.seed, given.cache, CPU).model
    given.folder.mkdir(parents=True, exist_ok=True)
    np.savez(
        given.folder / SPLIT,
        train=images.train.images,
        labels=task.labels,
        forgotten=task.forgotten,
        holdout=images.holdout.images,
        test=images.test.images,
        test_labels=images.test.labels,
        scale=np.float64(images.scale),
    )
    save_file(network.state_dict(), given.folder / WEIGHTS)


def judge(given: argparse.Namespace) -> None:
    """Print one table: nothing, the oracle, and the network in the file."""
    images = load_images(given.images, None)
    task = make_task(given.task, images, given.seed)
    first = original(images, task, given.seed, given.cache, CPU)
    second = oracle(images, task, given.seed, given.cache, CPU)
    made = fresh(images)
    load(made, given.weights)
    truth = measure(second.model, images, task, given.seed)
    costs = {NOTHING: Cost(0.0, 0.0), ORACLE: second.cost, given.name: Cost(*2 * [given.seconds])}
    networks = {NOTHING: first.model, ORACLE: second.model, given.name: made}
    rows = []
    for name, network in networks.items():
        found = truth if name == ORACLE else measure(network, images, task, given.seed)
        rows.append(
            Row(
                task=given.task,
                seed=given.seed,
                method=name,
                measures=found,
                gaps=found.gaps(truth),
                cost=costs[name],
                oracle_cost=second.cost,
                oracle_cached=second.cached,
                peak_mib=None,
                audit=None,
                audit_cost=None,
                requests=[],
                view=view(network, images, task, given.seed),
                device=CPU.type,
            )
        )
    show(rows, Console(width=180))


def load(network: nn.Module, path: Path) -> None:
    """Load weights whose tensors are named otherwise, by their shapes.

    Raises:
        SystemExit: a tensor of a shape is missing, or there are several of them.
    """
    try:
        found = load_file(path)
    except (OSError, SafetensorError) as error:
        sys.exit(f"{path} cannot be read as safetensors: {error}")
    state: dict[str, Tensor] = {}
    for name, tensor in network.state_dict().items():
        fitting = [other for other in found.values() if other.shape == tensor.shape]
        if name in found:
            fitting = [found[name]]
        if len(fitting) != 1 or fitting[0].shape != tensor.shape:
            sys.exit(f"{path} has {len(fitting)} tensors of shape {list(tensor.shape)}, not one.")
        state[name] = fitting[0].to(tensor.dtype)
    network.load_state_dict(state)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.unlearning.exchange")
    commands = parser.add_subparsers(required=True)
    for run in (give, judge):
        command = commands.add_parser(run.__name__, help=(run.__doc__ or "").splitlines()[0])
        command.set_defaults(run=run)
        command.add_argument("--images", choices=sorted(SOURCES), default="fashion-mnist")
        command.add_argument("--task", choices=sorted(TASKS), required=True)
        command.add_argument("--seed", type=int, default=0)
        command.add_argument("--threads", type=int, default=1)
        command.add_argument("--cache", type=Path, default=Path(".bench/networks"))
        if run is give:
            command.add_argument("folder", type=Path)
        else:
            command.add_argument("weights", type=Path, help="safetensors")
            command.add_argument("--name", default="other")
            command.add_argument("--seconds", type=float, default=0.0, help="that it took")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    given.run(given)


if __name__ == "__main__":
    main()
