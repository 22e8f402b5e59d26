"""Uncertainty distillation: the forgotten are learnt with noise, until they are as unseen ones.

Spartalis et al., CVPR 2025 (LoTUS, arXiv 2503.18314). Its two accuracies, which need labels, are
mean confidences here: of the student about forgotten samples, of the parent about held-out ones.
"""

import copy
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from bench.unlearning.rivals.guard import Guard, answers
from workers.unlearning.base import Offer, Problem, Report, Samples, Unlearned, UnlearningError
from workers.unlearning.embedding import draw
from workers.unlearning.inputs import to
from workers.unlearning.isolation import isolated
from workers.unlearning.knobs import Knobs, knob


@dataclass(frozen=True)
class UncertaintyConfig(Knobs):
    TITLE: ClassVar[str] = "Uncertainty distillation"

    epochs: int = knob(10, "Passes over the forgotten samples, at most.", 1)
    remaining_share: float = knob(0.3, "Share of the remaining samples in each.", 0.0, 1.0)
    batch: int = knob(64, "Samples a step.", 1)
    learning_rate: float = knob(1e-4, "Of AdamW.", 1e-9, 1.0)
    alpha: float = knob(8.0, "The temperature is exp(alpha times what is too sure).", 0.0)
    margin: float = knob(0.01, "It ends when the forgotten are less sure by so much.", 0.0, 1.0)


class Uncertainty:
    """Targets: the parent's decision for a remaining sample; for a forgotten one a Gumbel softmax.

    softmax((parent(x) + g) / tau), g of a standard Gumbel distribution and
    tau = exp(alpha (c_f - c_h)), c the mean largest softmax output. What is taken is the last pass
    after which agreement was kept, or else the first.
    """

    name = "uncertainty"

    def check(self, parameters: Mapping[str, Any]) -> None:
        UncertaintyConfig.read(parameters)

    def offer(self, problem: Problem) -> Offer | None:  # noqa: ARG002 (no problem suits it)
        """None: a rival is for the benchmark, which names it."""
        return None

    def unlearn(self, problem: Problem, report: Report) -> Unlearned:
        """Raises UnlearningError without held-out samples."""
        del report
        config = UncertaintyConfig.read(problem.parameters)
        if problem.holdout is None or not len(problem.holdout):
            raise UnlearningError("There are no held-out samples to be like.")
        with isolated(problem.device, problem.seed):
            made, summary = _learn(config, problem, problem.holdout)
        for ours, its in zip(made.modules(), problem.model.modules(), strict=True):
            ours.training = its.training
        kept = bool(summary["agreement_kept"])
        return Unlearned(made, self.name, asdict(config), summary, reached=kept, edited=True)


def _learn(
    config: UncertaintyConfig, problem: Problem, holdout: Samples
) -> tuple[nn.Module, dict[str, Any]]:
    guard, generator = Guard(problem), torch.Generator().manual_seed(problem.seed)
    parent = copy.deepcopy(problem.model).to(problem.device).eval()
    student = copy.deepcopy(parent)
    gone = torch.arange(len(problem.forgotten))
    told = answers(problem, parent, problem.forgotten, gone)
    decided = answers(problem, parent, problem.remaining, torch.arange(len(problem.remaining)))
    unseen = confidence(answers(problem, parent, holdout, torch.arange(len(holdout))))
    optimizer = torch.optim.AdamW(student.parameters(), lr=config.learning_rate, fused=True)
    found: nn.Module | None = None
    for epoch in range(1, config.epochs + 1):
        sure = confidence(answers(problem, student, problem.forgotten, gone)) - unseen
        if sure <= -config.margin:
            break
        targets = noised(told, math.exp(config.alpha * sure), generator)
        some = round(config.remaining_share * len(decided))
        kept = draw(len(decided), max(1, some), generator)
        _pass(
            config, problem, student, optimizer, (kept, decided[kept].argmax(1)), targets, generator
        )
        if found is None or guard.kept(student):
            found, at = copy.deepcopy(student), epoch
    if found is None:
        return student, {"passes": 0, "taken": 0, "agreement_kept": True}
    return found, {"passes": epoch, "taken": at, "agreement_kept": guard.kept(found)}


def _pass(
    config: UncertaintyConfig,
    problem: Problem,
    student: nn.Module,
    optimizer: torch.optim.Optimizer,
    kept: tuple[Tensor, Tensor],
    targets: Tensor,
    generator: torch.Generator,
) -> None:
    """Once over forgotten samples and those `kept`: rows (r,) and decisions (r,)."""
    rows, decisions = kept
    wanted = torch.cat([functional.one_hot(decisions, targets.shape[1]).float(), targets])
    for places in torch.randperm(len(wanted), generator=generator).split(config.batch):
        first = places < len(rows)
        logits = torch.cat(
            [
                student(to(samples.batch(at), problem.device))
                for samples, at in (
                    (problem.remaining, rows[places[first]]),
                    (problem.forgotten, places[~first] - len(rows)),
                )
                if len(at)
            ]
        )
        goal = torch.cat([wanted[places[first]], wanted[places[~first]]]).to(problem.device)
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(functional.cross_entropy(logits, goal))
        optimizer.step()


def noised(logits: Tensor, temperature: float, generator: torch.Generator) -> Tensor:
    """Softmax (n, k) of the logits (n, k) and Gumbel noise, at a temperature."""
    draws = torch.rand(logits.shape, generator=generator).clamp(1e-10, 1 - 1e-7)
    return ((logits - (-draws.log()).log()) / temperature).softmax(dim=1)


def confidence(logits: Tensor) -> float:
    """The mean largest softmax output of logits (n, k)."""
    return float(logits.double().softmax(dim=1).amax(dim=1).mean())
