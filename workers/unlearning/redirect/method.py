"""Redirection: forgotten samples are answered as their neighbours are, and as unseen ones are."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from workers.statistics.neighbours import nearest, neighbour_outputs, standardised
from workers.unlearning.base import Offer, Problem, Progress, Report, Samples, Unlearned
from workers.unlearning.compute import Compute
from workers.unlearning.embedding import Embedded, answer, draw, embed
from workers.unlearning.features import features
from workers.unlearning.isolation import isolated
from workers.unlearning.layout import copied, lay_out
from workers.unlearning.redirect.config import RedirectConfig
from workers.unlearning.redirect.edit import Edit, References, Watched
from workers.unlearning.redirect.forecast import few, work_of
from workers.unlearning.redirect.search import Search
from workers.unlearning.redirect.targets import Targets, guided_targets, targets
from workers.unlearning.registry import register
from workers.unlearning.resuming import once, pack_embedded, unpack_embedded
from workers.unlearning.spaces import Space, WithFeatures, choose
from workers.unlearning.tap import Tapped

# What is said where neighbours show nothing; what a guide contradicts is turned all the same.
LEFT = (
    "Neighbours contradict no more of these samples than chance would: they are answered as others "
    "like them are, and some of what a network knows by heart of right answers may stay. "
    "Confidence is brought down to that of held-out samples."
)


@register
class Redirect:
    """For one sample to a few hundred: too few to model, few enough to look at one by one."""

    name = "redirect"

    def check(self, parameters: Mapping[str, Any]) -> None:
        """Refuse parameters that `RedirectConfig` does not have or allow."""
        RedirectConfig.read(parameters)

    def offer(self, problem: Problem) -> Offer | None:
        """For few samples."""
        return Offer(work_of(RedirectConfig(), problem)) if few(problem) else None

    def unlearn(self, problem: Problem, report: Report) -> Unlearned:
        """Unlearn `problem.forgotten`. The parent is only copied.

        Raises:
            ValueError: a set is empty, or a parameter is unknown or out of range.
            UnlearningError: the model's answers or a loss are not finite.
        """
        return redirected(self.name, RedirectConfig.read(problem.parameters), problem, report)


def redirected(
    name: str,
    config: RedirectConfig,
    problem: Problem,
    report: Report,
    guide: nn.Module | None = None,
) -> Unlearned:
    """The parent, redirected to what neighbours say of forgotten samples, or to what `guide` does.

    Raises:
        ValueError: a set is empty.
        UnlearningError: a model's answers or a loss are not finite.
    """
    if not len(problem.forgotten) or len(problem.remaining) < 2:
        raise ValueError("Redirection needs a forgotten sample and two remaining ones.")
    with isolated(problem.device, problem.seed):
        student, summary, reached = _Run(config, problem, report, guide).go()
    home = next(problem.model.parameters(), torch.empty(0)).device
    lay_out(student.to(home), torch.contiguous_format)
    for ours, its in zip(student.modules(), problem.model.modules(), strict=True):
        ours.training = its.training
    for mine, other in zip(student.parameters(), problem.model.parameters(), strict=True):
        mine.grad = None
        mine.requires_grad_(other.requires_grad)
    return Unlearned(student, name, asdict(config), summary, reached=reached, edited=True)


@dataclass(frozen=True)
class _Views:
    """One set of samples as the parent sees it, and where it lies in a space of the innocent.

    innocent: (n, s), made without any forgotten sample. said: the logits (n, k) of the network that
    looked at it there.
    """

    parent: Embedded
    innocent: Tensor
    said: Tensor

    def take(self, rows: Tensor) -> "_Views":
        return _Views(self.parent.take(rows), self.innocent[rows], self.said[rows])


class _Run:
    def __init__(
        self,
        config: RedirectConfig,
        problem: Problem,
        report: Report,
        guide: nn.Module | None,
    ) -> None:
        self.config = config
        self.guide = guide
        self.problem = problem
        self.report = report
        self.generator = torch.Generator().manual_seed(problem.seed)
        self.origin = problem.origin if config.hold_to_origin else None
        self.space: Space | None = None

    def go(self) -> tuple[nn.Module, dict[str, Any], bool]:
        remaining, forgotten, unseen = self._views()
        guarded = min(max(1, len(remaining.innocent) // 10), self.config.guard_samples)
        order = torch.randperm(len(remaining.innocent), generator=self.generator)
        watched, used = remaining.take(order[:guarded]), remaining.take(order[guarded:])
        goal = self._targets(used, forgotten, unseen or watched)
        self.report(Progress("modelling", 1.0))
        guard = Watched(self.problem.remaining, watched.parent.positions, watched.parent.logits)
        edit = Edit(
            self.config,
            self.problem,
            goal,
            self._references(used, forgotten),
            guard,
            self._unseen(unseen) or guard,
            self.generator,
        )
        best, rewinds = Search(self.config, self.problem, edit, self.report).go()
        look = best.look
        self.report(Progress("unlearning", 1.0, look.metrics()))
        summary = {
            "forgotten": len(forgotten.innocent),
            "remaining": len(self.problem.remaining),
            **self._likeness(),
            "contradicted": goal.contradicted,
            "contradicted_naturally": goal.natural,
            "contradicted_by_chance": goal.by_chance,
            "turned": int(goal.turned.sum()),
            "turned_goal": edit.goal,
            "left": LEFT if edit.doubtful and self.guide is None else None,
            "steps_taken": look.step,
            "rewinds": rewinds,
            "held_to": "parent" if self.origin is None else "origin",
            "targets_met": edit.done(look),
            "agreement_kept": edit.kept(look),
            "after": look.metrics(),
        }
        return best.student, summary, edit.reached(look)

    def _likeness(self) -> dict[str, Any]:
        """By what samples were taken to be alike, where neighbours were asked."""
        if self.space is None:
            return {}
        found = {"by": self.space.name, "contradicted": self.space.contradicted}
        return {"likeness": found}

    def _views(self) -> tuple[_Views, _Views, _Views | None]:
        """Remaining, forgotten and held-out samples, seen by both networks."""
        problem, config = self.problem, self.config
        work: list[tuple[Samples, int]] = [
            (problem.remaining, config.references),
            (problem.forgotten, len(problem.forgotten)),
        ]
        if problem.holdout is not None and len(problem.holdout):
            work.append((problem.holdout, config.holdout_samples))
        chosen = [(samples, draw(len(samples), most, self.generator)) for samples, most in work]
        total, ready = 2 * sum(len(positions) for _, positions in chosen), 0

        def done(count: int) -> None:
            nonlocal ready
            ready += count
            self.report(Progress("embedding", ready / total))

        def seen_by(
            network: nn.Module, compute: Compute, *, described: bool = False
        ) -> list[Embedded]:
            with Tapped(copied(network, problem.device), problem.tap) as tapped:
                return [
                    embed(
                        WithFeatures(tapped) if described else tapped,
                        samples,
                        positions,
                        problem.device,
                        config.embed_batch,
                        done,
                        compute,
                    )
                    for samples, positions in chosen
                ]

        def see() -> list[Embedded]:
            # The parent's answers are what looks are held against, which are exact, too.
            parent = seen_by(problem.model, problem.compute.exact())
            if self.guide is not None:
                return [*parent, *seen_by(self.guide, problem.compute.exact())]
            torch.manual_seed(problem.seed)
            return [*parent, *seen_by(problem.fresh(), problem.compute, described=True)]

        both = once(
            problem.compute.saves,
            "views",
            problem.device,
            self.generator,
            see,
            pack_embedded,
            unpack_embedded,
        )
        parent, other = both[: len(work)], both[len(work) :]
        innocent = self._innocent(parent, [part.representations for part in other])
        said = [part.logits for part in other]
        views = [_Views(*one) for one in zip(parent, innocent, said, strict=True)]
        return views[0], views[1], views[2] if len(views) > 2 else None

    def _innocent(self, parent: list[Embedded], seen: list[Tensor]) -> list[Tensor]:
        """Where the sets, remaining samples first, lie among those that are like them."""
        if self.guide is not None:
            return standardised(seen)
        _, blocks = features(self.problem.remaining.batch(torch.arange(1)))
        self.space = choose(
            seen,
            parent[0].representations.shape[1],
            blocks,
            parent[0].logits.softmax(dim=1),
            self.config.neighbours,
        )
        return self.space.sets

    def _targets(self, used: _Views, forgotten: _Views, unseen: _Views) -> Targets:
        # In float32, whatever a network is all but certain of would be one and the same.
        outputs = used.parent.logits.double().softmax(dim=1)

        def without(of: _Views) -> Tensor:
            if self.guide is not None:
                return of.said.double().softmax(dim=1)
            return neighbour_outputs(of.innocent, used.innocent, outputs, self.config.neighbours)

        aim = targets if self.guide is None else guided_targets
        return aim(
            forgotten.parent.logits.double().softmax(dim=1),
            without(forgotten),
            unseen.parent.logits.double().softmax(dim=1),
            without(unseen),
            outputs,
        )

    def _unseen(self, unseen: _Views | None) -> Watched | None:
        """Some of the held-out samples, to look at again and again."""
        if unseen is None or self.problem.holdout is None:
            return None
        some = draw(len(unseen.innocent), self.config.unseen_samples, self.generator)
        part = unseen.parent.take(some)
        return Watched(self.problem.holdout, part.positions, part.logits)

    def _references(self, used: _Views, forgotten: _Views) -> References:
        near = nearest(
            forgotten.parent.representations, used.parent.representations, self.config.near
        )
        positions, logits = used.parent.positions, used.parent.logits
        if self.origin is not None:
            logits = self._answers_of(self.origin, positions)
        return References(positions, logits.softmax(dim=1), near)

    def _answers_of(self, origin: nn.Module, positions: Tensor) -> Tensor:
        """What the origin says of remaining samples (r,) -> logits (r, k).

        Each edit disturbs a little of everything. Held to its parent, it would keep what those
        before it have disturbed, and ten edits would disturb ten times as much.
        """
        problem = self.problem
        return answer(
            copied(origin, problem.device),
            problem.remaining,
            positions,
            problem.device,
            self.config.embed_batch,
            compute=problem.compute.exact(),
        )
