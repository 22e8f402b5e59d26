"""Selective dampening without a loss: weights that matter most for the forgotten shrink.

Foster et al., 2024 (LFSSD, arXiv 2402.19308), with the percentile of their ASSD (arXiv 2402.10098),
and a guard, without which such an edit can destroy a network.
"""

import copy
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from bench.unlearning.rivals.guard import Guard
from workers.unlearning.base import Offer, Problem, Report, Samples, Unlearned
from workers.unlearning.embedding import draw
from workers.unlearning.inputs import to
from workers.unlearning.isolation import isolated
from workers.unlearning.knobs import Knobs, knob


@dataclass(frozen=True)
class DampeningConfig(Knobs):
    TITLE: ClassVar[str] = "Selective dampening"

    samples: int = knob(5000, "Of each set, so many samples tell what matters for it.", 1)
    strength: float = knob(1.0, "Their lambda: a weight is scaled by this over its ratio.", 1e-6)
    tries: int = knob(10, "How often the share of weights is halved until agreement is kept.", 1)


class Dampening:
    """theta <- theta min(strength / r, 1) where r = I_f / I_r is among the largest.

    I is the mean over samples of |d ||f(x)||^2 / d theta|, f(x) the logits. The share of weights is
    ln(1 + 100 f) per cent, f the forgotten share of the data.
    """

    name = "dampening"

    def check(self, parameters: Mapping[str, Any]) -> None:
        DampeningConfig.read(parameters)

    def offer(self, problem: Problem) -> Offer | None:  # noqa: ARG002 (no problem suits it)
        """None: a rival is for the benchmark, which names it."""
        return None

    def unlearn(self, problem: Problem, report: Report) -> Unlearned:
        del report
        config = DampeningConfig.read(problem.parameters)
        with isolated(problem.device, problem.seed):
            guard, sizes = Guard(problem), (len(problem.forgotten), len(problem.remaining))
            generator = torch.Generator().manual_seed(problem.seed)
            matters = [
                importance(problem, samples, draw(len(samples), config.samples, generator))
                for samples in (problem.forgotten, problem.remaining)
            ]
            ratios = [f / r.clamp_min(1e-30) for f, r in zip(*matters, strict=True)]
            share = math.log1p(100 * sizes[0] / sum(sizes)) / 100
            for halved in range(config.tries):
                model = dampened(problem.model, ratios, share / 2**halved, config.strength)
                if guard.kept(model.eval()):
                    break
            kept = guard.kept(model)
        for ours, its in zip(model.modules(), problem.model.modules(), strict=True):
            ours.training = its.training
        summary = {"share": share / 2**halved, "halved": halved, "agreement_kept": kept}
        return Unlearned(model, self.name, asdict(config), summary, reached=kept, edited=True)


def importance(problem: Problem, samples: Samples, rows: Tensor) -> list[Tensor]:
    """For each weight the mean over `rows` (m,) of |d ||f(x)||^2 / d theta|, sample by sample."""
    model = copy.deepcopy(problem.model).to(problem.device).eval()
    sums = [torch.zeros_like(weight) for weight in model.parameters()]
    for row in rows:
        inputs = to(samples.batch(row.reshape(1)), problem.device)
        model.zero_grad(set_to_none=True)
        torch.autograd.backward(model(inputs).square().sum())
        for total, weight in zip(sums, model.parameters(), strict=True):
            if weight.grad is not None:
                total += weight.grad.abs()
    return [total / len(rows) for total in sums]


def dampened(parent: nn.Module, ratios: list[Tensor], share: float, strength: float) -> nn.Module:
    """A copy in which the `share` of weights with the largest ratios is scaled down."""
    model = copy.deepcopy(parent)
    everything = torch.cat([ratio.flatten() for ratio in ratios])
    count = max(1, round(share * len(everything)))
    least = everything.topk(count).values[-1]
    with torch.no_grad():
        for weight, ratio in zip(model.parameters(), ratios, strict=True):
            factor = (strength / ratio.clamp_min(1e-30)).clamp_max(1.0)
            weight.mul_(torch.where(ratio >= least, factor, torch.ones_like(factor)))
    return model
