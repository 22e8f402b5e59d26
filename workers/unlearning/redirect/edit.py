"""Moving the parent to the targets, and nothing else of it."""

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from workers.evaluation.agreement import agreement, holdout_floor
from workers.evaluation.membership import auc
from workers.unlearning.base import Problem, Samples, UnlearningError
from workers.unlearning.batches import Pair, cycle
from workers.unlearning.embedding import answer
from workers.unlearning.redirect.config import RedirectConfig
from workers.unlearning.redirect.targets import Targets

# Below this many samples, an AUC says next to nothing.
ENOUGH = 10

# Where agreement is so far below its floor, an attempt does not bring it back.
HOPELESS = 0.1


@dataclass(frozen=True)
class References:
    """Remaining samples to train on, by position, with the parent's softmax outputs (r, k).

    `near` (n, m) holds, for each forgotten sample, the rows of the ones that the parent finds most
    like it: what an edit of it disturbs first.
    """

    positions: Tensor
    outputs: Tensor
    near: Tensor


@dataclass(frozen=True)
class Watched:
    """Samples that no step trains on, by position, with the parent's logits (m, k)."""

    samples: Samples
    positions: Tensor
    logits: Tensor


@dataclass(frozen=True)
class Look:
    """How far an edit is.

    agreement, unseen_agreement: with the parent, on the guard and on held-out samples. turned: of
    the forgotten samples that were to be turned, the share that are. apart: how well the other ones
    can be told from held-out samples by confidence, as the distance of an AUC from 0.5; 0 where
    there are too few samples to tell.
    """

    step: int
    agreement: float
    unseen_agreement: float
    turned: float
    apart: float

    def metrics(self) -> dict[str, float]:
        return {
            "agreement": self.agreement,
            "holdout_agreement": self.unseen_agreement,
            "turned": self.turned,
            "confidence_apart": self.apart,
        }


class Edit:
    """One try after the other, each from the parent, each more careful than the last."""

    def __init__(
        self,
        config: RedirectConfig,
        problem: Problem,
        targets: Targets,
        references: References,
        guard: Watched,
        unseen: Watched,
        generator: torch.Generator,
    ) -> None:
        self._config = config
        self._problem = problem
        self._targets = targets
        self._references = references
        self._guard = guard
        self._unseen = unseen
        self._generator = generator
        self._everyone = torch.arange(len(targets.turned))
        # A reserve, because the gate measures on other samples than these.
        reserve = config.agreement_reserve * (1 - problem.min_agreement)
        self._floor = problem.min_agreement + reserve
        count = len(problem.forgotten), len(problem.remaining)
        self._unseen_floor = holdout_floor(self._floor, *count)
        # Of samples that nobody has seen, neighbours contradict a share too: more than is left
        # then would stand out.
        self.goal = min(config.turned_share, 1.0 - targets.natural)

    def attempt(self, caution: float, tell: Callable[[Look], None]) -> tuple[nn.Module, Look]:
        """Edit a copy of the parent; the step size is multiplied by `caution`.

        What is looked at and given back is an average of the weights over the last steps: it
        forgets as much and disturbs less, without the noise of single steps. The first steps are
        large and the later ones repair what they disturbed: the nearer the remaining samples are to
        where they were, the less a later training on them brings back. An attempt ends when enough
        are turned for a while and the others' confidence is near or comes no nearer, when agreement
        stays lost or is far gone, or after `max_steps`. It gives the last look of those at which
        agreement was kept and enough, or else most, were turned.

        Raises:
            UnlearningError: the loss or its gradient is not finite.
        """
        config = self._config
        student = copy.deepcopy(self._problem.model).to(self._problem.device)
        student.requires_grad_().eval()
        self._wanted = self._targets.outputs(confidence(self._unseen.logits))
        optimizer = torch.optim.Adam(student.parameters(), lr=config.learning_rate * caution)
        forgotten = cycle(len(self._everyone), config.forget_batch, self._generator)
        average = copy.deepcopy(student)
        best: tuple[Look, nn.Module] | None = None
        nearest, stale, settled, lost = 1.0, 0, 0, 0
        for step in range(1, config.max_steps + 1):
            for group in optimizer.param_groups:
                group["lr"] = config.learning_rate * caution * (1 - (step - 1) / config.max_steps)
            loss = self._backward(student, next(forgotten))
            norm = nn.utils.clip_grad_norm_(student.parameters(), config.clip_norm)
            if not bool(loss.isfinite() & norm.isfinite()):
                raise UnlearningError("The loss or its gradient is not a finite number.")
            optimizer.step()
            self._follow(average, student)
            if step % config.check_every and step != config.max_steps:
                continue
            seen = self.look(average, step)
            tell(seen)
            lost = 0 if self.kept(seen) else lost + 1
            if lost >= config.lost_looks or self._hopeless(seen):
                break
            if not lost and (best is None or self._reach(seen) >= self._reach(best[0])):
                best = seen, copy.deepcopy(average)
            nearest, stale = (seen.apart, 0) if seen.apart < nearest else (nearest, stale + 1)
            settled = settled + 1 if self.turned(seen) and not lost else 0
            tired = self.turned(seen) and stale >= config.patience
            if settled >= config.settle and (self.done(seen) or tired):
                break
        return (average, seen) if best is None else (best[1], best[0])

    @torch.no_grad()
    def _follow(self, average: nn.Module, student: nn.Module) -> None:
        for mean, weight in zip(average.parameters(), student.parameters(), strict=True):
            mean.lerp_(weight, 1.0 - self._config.averaging)

    def kept(self, look: Look) -> bool:
        """Whether the student still answers as the parent does, by the gate's floors."""
        return look.agreement >= self._floor and look.unseen_agreement >= self._unseen_floor

    def done(self, look: Look) -> bool:
        return self.turned(look) and look.apart <= self._config.confidence_slack

    def _hopeless(self, look: Look) -> bool:
        return (
            look.agreement < self._floor - HOPELESS
            or look.unseen_agreement < self._unseen_floor - HOPELESS
        )

    def _reach(self, look: Look) -> float:
        return min(look.turned, self.goal)

    def turned(self, look: Look) -> bool:
        """Whether as many forgotten samples are turned as held-out ones would be."""
        return look.turned >= self.goal

    def look(self, student: nn.Module, step: int) -> Look:
        """Measure, and aim anew: an edit moves the held-out confidence that is aimed at."""
        problem, batch = self._problem, self._config.embed_batch

        def ask(samples: Samples, positions: Tensor) -> Tensor:
            return answer(
                student, samples, positions, problem.device, batch, compute=problem.compute
            )

        kept = ask(self._guard.samples, self._guard.positions)
        unseen_logits = ask(self._unseen.samples, self._unseen.positions)
        unseen = confidence(unseen_logits)
        moved = ask(problem.forgotten, self._everyone)
        self._wanted = self._targets.outputs(unseen)
        turned = self._targets.turned
        others = moved[~turned]
        enough = min(len(others), len(unseen)) >= ENOUGH
        return Look(
            step=step,
            agreement=agreement(self._guard.logits, kept),
            unseen_agreement=agreement(self._unseen.logits, unseen_logits),
            turned=self._clearly(self._wanted[turned], moved[turned]),
            apart=abs(auc(confidence(others), unseen) - 0.5) if enough else 0.0,
        )

    def _clearly(self, wanted: Tensor, moved: Tensor) -> float:
        """Targets and logits (t, k) -> the share with the target's decision, by the margin."""
        if not len(moved):
            return 1.0
        decided = wanted.argmax(dim=1, keepdim=True)
        outputs = moved.softmax(dim=1)
        others = outputs.scatter(1, decided, 0.0).max(dim=1).values
        lead = outputs.gather(1, decided).squeeze(1) - others
        return float((lead >= self._config.margin).double().mean())

    def _backward(self, student: nn.Module, gone: Tensor) -> Tensor:
        """Gradients of a step's loss -> the unweighted sum () of its two parts."""
        rows = self._remaining_rows(gone)
        both = Pair(rows, gone)

        def part(places: Tensor) -> Tensor:
            keep, forget = self._losses(student, both.at(places))
            return torch.stack([keep / len(rows), forget / len(gone)])

        parameters, weights = list(student.parameters()), (1.0, self._config.forget_weight)
        return self._problem.compute.backward(parameters, len(both), part, weights).sum()

    def _losses(self, student: nn.Module, both: Pair) -> tuple[Tensor, Tensor]:
        """The sums of both divergences over some of a step's samples."""
        problem, references = self._problem, self._references
        positions = Pair(references.positions[both.kept], both.gone)
        inputs = problem.compute.place(positions.inputs(problem), problem.device)
        with problem.compute.autocast(problem.device):
            logits = student(inputs)
        answers = functional.log_softmax(logits.float(), dim=1)
        kept = references.outputs[both.kept].to(problem.device)
        wanted = self._wanted[both.gone].to(problem.device)
        keep = functional.kl_div(answers[: len(kept)], kept, reduction="sum")
        forget = functional.kl_div(answers[len(kept) :], wanted, reduction="sum")
        return keep, forget

    def _remaining_rows(self, gone: Tensor) -> Tensor:
        """Some rows at random, and some that are near the samples of this very step."""
        config, near = self._config, self._references.near[gone].flatten()
        close = round(config.remaining_batch * config.near_share)
        generator = self._generator
        anywhere = torch.randint(
            len(self._references.positions), (config.remaining_batch - close,), generator=generator
        )
        return torch.cat([anywhere, near[torch.randint(len(near), (close,), generator=generator)]])


def confidence(logits: Tensor) -> Tensor:
    """Logits (n, k) -> the largest softmax output (n,), as double: a float soon is just 1."""
    return logits.double().softmax(dim=1).max(dim=1).values
