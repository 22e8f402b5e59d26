"""A small run of the benchmark, on real images: its numbers have not fallen apart."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bench.unlearning import compare as compare_module
from bench.unlearning import networks
from bench.unlearning.compare import AGAIN, NOTHING, ORACLE, OTHER_SEED, compare
from bench.unlearning.images import digits
from bench.unlearning.measures import attack
from bench.unlearning.tables import CHECKS, told_by
from bench.unlearning.tasks import TASKS, make_task
from bench.unlearning.training import Cost
from workers.unlearning.base import Problem, Unlearned

ROOT = Path(__file__).parents[2]
# Networks are trained here, on machines that do something else as well.
pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("bench")
    command = [
        *(sys.executable, "-m", "bench.unlearning", "--images", "digits", "--threads", "1"),
        *("--tasks", "memorised-40,memorised-40-by-4", "--methods", "auto"),
        *("--cache", str(folder / "networks"), "--json", str(folder / "report.json")),
        "--no-again",
        *("--picture", str(folder / "report.png")),
        *("--projection", str(folder / "projection.png")),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "memorised-40" in done.stdout
    for picture in ("report.png", "projection.png"):
        assert (folder / picture).read_bytes().startswith(b"\x89PNG")
    found: dict[str, Any] = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    return found


def row(report: dict[str, Any], task: str, method: str) -> dict[str, Any]:
    (found,) = [r for r in report["rows"] if (r["task"], r["method"]) == (task, method)]
    return dict(found)


def test_what_was_learnt_by_heart_is_forgotten(report: dict[str, Any]) -> None:
    nothing = row(report, "memorised-40", "do nothing")
    auto = row(report, "memorised-40", "auto")

    assert nothing["measures"]["memorisation_gap"] > 90
    assert [made["method"] for made in auto["requests"]] == ["distil"]
    closed = 1 - auto["gaps"]["memorisation_gap"] / nothing["gaps"]["memorisation_gap"]
    assert closed >= 0.8
    assert auto["measures"]["test"] >= nothing["measures"]["test"] - 1
    assert auto["gaps"]["mean"] < nothing["gaps"]["mean"] / 4


def test_the_audit_tells_the_parent_from_the_oracle(report: dict[str, Any]) -> None:
    parent = row(report, "memorised-40", "do nothing")["audit"]
    oracle = row(report, "memorised-40", "retrain (oracle)")["audit"]

    assert set(told_by(parent)) >= {"confidence", *CHECKS}
    assert set(told_by(oracle)) <= {"entropy", "margin", "confidence"}


def test_four_requests_in_a_row_are_as_good_as_one(report: dict[str, Any]) -> None:
    nothing = row(report, "memorised-40-by-4", "do nothing")
    auto = row(report, "memorised-40-by-4", "auto")

    assert nothing["measures"] == row(report, "memorised-40", "do nothing")["measures"]
    assert len(auto["requests"]) == 4
    closed = 1 - auto["gaps"]["memorisation_gap"] / nothing["gaps"]["memorisation_gap"]
    assert closed >= 0.8
    # There are 300 test samples: three points are nine of them.
    assert auto["measures"]["test"] >= nothing["measures"]["test"] - 3


def test_a_class_goes_and_the_others_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the method that `auto` takes here, in fewer steps than it takes by itself."""
    monkeypatch.setattr(compare_module, "audited", audits_nothing)
    # A process of its own imports torch once more, which takes as long as the training.
    monkeypatch.setattr(compare_module, "in_a_process", lambda work, asked: work(asked))
    monkeypatch.setattr(compare_module, "seed_everything", lambda *_given: torch.manual_seed(0))
    threads, few = torch.get_num_threads(), {"min_steps": 300, "max_passes": 3.0}
    with torch.random.fork_rng():
        rows = compare("digits", 600, "class-removal-0", 0, {"distil": few}, tmp_path, 1)
    torch.set_num_threads(threads)

    nothing, oracle, student = rows
    assert [row.method for row in rows] == [NOTHING, ORACLE, "distil"]
    assert nothing.gaps["train_f"] > 90
    assert student.gaps["mean"] < nothing.gaps["mean"] / 4
    assert student.measures.train_r >= oracle.measures.train_r - 2


def test_the_oracle_is_at_no_distance_from_itself(report: dict[str, Any]) -> None:
    oracle = row(report, "memorised-40", "retrain (oracle)")
    assert set(oracle["gaps"].values()) == {0.0}


def audits_nothing(*_given: Any) -> tuple[dict[str, Any], Cost]:
    return {}, Cost(0.0, 0.0)


def test_another_retraining_shows_what_chance_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compare_module, "audited", audits_nothing)
    threads = torch.get_num_threads()
    rows = compare("digits", 200, "class-removal-0", 0, {}, tmp_path, 1, again=True)
    torch.set_num_threads(threads)

    assert [row.method for row in rows] == [NOTHING, ORACLE, AGAIN]
    _, truth, other = rows
    assert truth.gaps["mean"] == 0.0 < other.gaps["mean"]
    # It has not seen the class either.
    assert other.measures.train_f == 0.0


def test_a_students_first_weights_are_not_those_that_its_parents_training_began_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No job knows the seed of a training."""
    seeds: list[int] = []

    class Watching:
        def unlearn(self, problem: Problem, _report: Any) -> Unlearned:
            seeds.append(problem.seed)
            return Unlearned(problem.model, "watching", {}, {})

    monkeypatch.setattr(compare_module, "named", lambda _name: Watching())
    monkeypatch.setattr(compare_module, "in_a_process", lambda work, asked: work(asked))
    # Seeds do not hang on what the networks have learnt, nor on what is found out about them.
    monkeypatch.setattr(networks, "train", lambda *_given: Cost(0.0, 0.0))
    monkeypatch.setattr(compare_module, "audited", audits_nothing)
    # It sets what holds for a whole process.
    monkeypatch.setattr(compare_module, "seed_everything", lambda *_given: None)
    threads, seed = torch.get_num_threads(), 3
    compare("digits", 200, "memorised-40-by-4", seed, {"watching": {}}, tmp_path, 1)
    torch.set_num_threads(threads)

    assert len(set(seeds)) == 4
    assert not {seed, seed + OTHER_SEED} & set(seeds)


@pytest.mark.parametrize("name", TASKS)
def test_a_task_chooses_the_same_samples_for_the_same_seed(name: str) -> None:
    images = digits()
    first, again, other = (make_task(name, images, seed) for seed in (0, 0, 1))

    assert np.array_equal(first.forgotten, again.forgotten)
    assert np.array_equal(first.labels, again.labels)
    changed = first.labels != images.train.labels
    assert not (changed & ~first.forgotten).any()
    if not name.startswith("class-removal"):
        assert not np.array_equal(first.forgotten, other.forgotten)


@pytest.mark.parametrize(
    ("name", "share", "classes"),
    [
        ("data-removal", 0.4, range(5, 10)),
        ("noisy-labels", 0.6, range(5)),
        ("class-removal-3", 1.0, range(3, 4)),
    ],
)
def test_the_tasks_of_the_paper_are_as_large_as_there(
    name: str, share: float, classes: range
) -> None:
    images = digits()
    task = make_task(name, images, 0)

    for label in range(10):
        rows = images.train.labels == label
        expected = round(share * rows.sum()) if label in classes else 0
        assert task.forgotten[rows].sum() == expected
    wrong = task.labels != images.train.labels
    assert np.array_equal(wrong, task.forgotten if name == "noisy-labels" else wrong & False)


@pytest.mark.parametrize("name", ["random-100", "known-100", "memorised-100"])
def test_a_hundred_are_a_hundred(name: str) -> None:
    images = digits()
    task = make_task(name, images, 0)

    assert task.forgotten.sum() == 100
    wrong = task.labels != images.train.labels
    assert wrong.sum() == (100 if name == "memorised-100" else 0)
    assert len(set(images.train.labels[task.forgotten])) == 10


def test_the_attack_sees_members_where_there_is_something_to_see() -> None:
    generator = torch.Generator().manual_seed(0)
    noise = torch.rand(3000, 3, generator=generator)
    sure = (noise * 8).softmax(1)
    unsure = noise.softmax(1)

    telling = attack(sure[:1000], sure[1000:1500], unsure[:2000], np.random.default_rng(0))
    blind = attack(sure[:1000], sure[1000:1500], sure[1000:], np.random.default_rng(0))

    assert telling > 0.9
    assert abs(blind - 0.5) < 0.1
