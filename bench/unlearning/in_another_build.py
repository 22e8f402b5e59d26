"""Run by `builds`, in the tree of another commit: all that is imported here is of that commit.

`python -P in_another_build.py FOLDER` reads a job from the folder, and writes there what it made.
"""

import json
import resource
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file

import bench.unlearning.compare as its_benchmark
from bench.unlearning.images import SOURCES, Images
from bench.unlearning.networks import fresh
from bench.unlearning.rivals import named
from bench.unlearning.training import Stopwatch
from workers.demo.images import Part
from workers.device import choose_compute
from workers.seeding import seed_everything
from workers.unlearning.ranks import Ranks


def main(folder: Path, scratch: Path) -> None:
    here = Path.cwd().resolve()
    if not Path(str(its_benchmark.__file__)).resolve().is_relative_to(here):
        sys.exit(f"The benchmark that was imported is not the one in {here}.")
    asked: dict[str, Any] = json.loads((folder / "asked.json").read_text(encoding="utf-8"))
    device = torch.device(asked["device"])
    seed_everything(asked["seed"], asked["threads"])
    compute = choose_compute(device, Ranks(), "auto", "auto", scratch)
    with np.load(folder / "data.npz") as data:
        images = images_of(asked, data["train"], data["holdout"])
        count = sum(name.startswith("request-") for name in data)
        requests = [data[f"request-{number}"] for number in range(count)]
    parent = fresh(images)
    parent.load_state_dict(load_file(folder / "parent.safetensors"))
    parent.to(device).eval()

    watch = Stopwatch(device)
    model, origin, gone, made = parent, None, np.empty(0, dtype=np.int64), []
    for number, rows in enumerate(requests):
        seed = asked["seed"] + asked["job_seed"] + number
        problem = its_benchmark.problem_of(
            images, rows, gone, model, seed, asked["parameters"], compute, origin
        )
        unlearned = named(asked["method"]).unlearn(problem, lambda _progress: None)
        origin = (origin or model) if unlearned.edited else None
        model, gone = unlearned.model, np.concatenate([gone, rows])
        made.append({"method": unlearned.method, **unlearned.summary})
    cost = watch.read()
    save_file(model.cpu().state_dict(), folder / "made.safetensors")
    told = {
        "cost": asdict(cost),
        "requests": made,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    (folder / "told.json").write_text(json.dumps(told), encoding="utf-8")


def images_of(asked: dict[str, Any], train: Any, holdout: Any) -> Images:
    """As that build has them, without labels: no method reads any."""

    def part(pixels: Any) -> Part:
        return Part(pixels, np.zeros(len(pixels), dtype=np.int64))

    return Images(
        name=asked["images"],
        factory=asked["factory"],
        scale=asked["scale"],
        by_heart=SOURCES["digits"]().by_heart,
        train=part(train),
        holdout=part(holdout),
        test=part(train[:0]),
    )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made_here:
        main(Path(sys.argv[1]), Path(made_here))
