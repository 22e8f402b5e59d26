"""What a forgotten sample should be answered with: what is known without it."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from workers.statistics.intervals import at_least

# Keeps logarithms finite where no neighbour has a class.
FLOOR = 1e-4
HALVINGS = 40


@dataclass(frozen=True)
class Targets:
    """What n forgotten samples should be answered with.

    turned: (n,) bool, those that are to be decided as their neighbours are. kept: softmax targets
    (n - t, k) of the others. said: the neighbours' softmax outputs (t, k) for the turned ones.
    natural: the share of held-out samples whose neighbours contradict the parent.
    contradicted: how many forgotten samples' neighbours do. by_chance: the chance that so many or
    more held-out samples of as many would be.
    """

    turned: Tensor
    kept: Tensor
    said: Tensor
    natural: float
    contradicted: int
    by_chance: float

    def outputs(self, unseen: Tensor) -> Tensor:
        """Softmax targets (n, k), with turned ones as sure as held-out samples are: `unseen` (h,).

        Held-out confidence is an argument because an edit moves it: once wrong labels are gone, a
        network is surer of everything else.
        """
        outputs = self.kept.new_empty(len(self.turned), self.kept.shape[1])
        outputs[~self.turned] = self.kept
        usual = spread(self.said.max(dim=1).values, unseen.double())
        outputs[self.turned] = with_confidence(self.said, usual).to(outputs.dtype)
        return outputs


def with_confidence(outputs: Tensor, wanted: Tensor) -> Tensor:
    """Softmax outputs (n, k) at the temperatures at which the largest one is `wanted` (n,).

    The temperature is found by bisection; a confidence of less than 1 / k is out of reach. No
    temperature tells two equal outputs apart: what is missing then is taken evenly from all but
    the first of them.
    """
    logs = outputs.double().clamp(min=1e-12).log()
    wanted = wanted.double()
    low, high = torch.full_like(wanted, -4.0), torch.full_like(wanted, 4.0)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        confidence = (logs / middle.exp().unsqueeze(1)).softmax(dim=1).max(dim=1).values
        # Hotter is less confident.
        low = torch.where(confidence > wanted, middle, low)
        high = torch.where(confidence > wanted, high, middle)
    found = (logs / low.exp().unsqueeze(1)).softmax(dim=1)
    first = found.argmax(dim=1, keepdim=True)
    most = found.gather(1, first)
    missing = ((wanted.unsqueeze(1) - most) / (1.0 - most).clamp(min=1e-12)).clamp(0.0, 1.0)
    return (found * (1.0 - missing)).scatter_add(1, first, missing).to(outputs.dtype)


def as_unseen(confidence: Tensor, seen: Tensor, unseen: Tensor) -> Tensor:
    """The confidence (n,) of forgotten samples, brought to where held-out samples' lie.

    The quantile that it has among remaining samples' confidence `seen` (r,) is looked up among
    held-out ones' `unseen` (h,); it is never raised.
    """
    order = seen.sort().values
    below = torch.searchsorted(order, confidence)
    # Ties have the middle one of their ranks: a network may be all but certain of everything.
    not_above = torch.searchsorted(order, confidence, right=True)
    ranks = (below + not_above).to(unseen.dtype) / (2 * max(len(seen), 1))
    return torch.minimum(confidence, unseen.quantile(ranks.clamp(0.0, 1.0)))


def spread(confidence: Tensor, unseen: Tensor) -> Tensor:
    """Held-out samples' confidence `unseen` (h,), dealt out by rank to those of `confidence` (n,).

    The i-th of n in ascending order gets the quantile (i + 1/2) / n, so that they are as sure as
    held-out samples are, and spread as they are: one and the same confidence would stand out.
    """
    ranks = confidence.argsort(stable=True).argsort(stable=True)
    places = (ranks.to(unseen.dtype) + 0.5) / max(len(confidence), 1)
    return unseen.quantile(places)


def contradiction(neighbours: Tensor, outputs: Tensor) -> Tensor:
    """KL(neighbours || outputs) of softmax outputs (n, k) twice -> (n,)."""
    wanted, found = neighbours.clamp(min=FLOOR), outputs.clamp(min=FLOOR)
    return functional.kl_div(found.log(), wanted.log(), reduction="none", log_target=True).sum(1)


def targets(
    forgotten: Tensor,
    forgotten_neighbours: Tensor,
    unseen: Tensor,
    unseen_neighbours: Tensor,
    seen: Tensor,
) -> Targets:
    """Targets from softmax outputs of the parent, (n, k), (h, k), (r, k), and from neighbours'.

    A share of held-out samples is contradicted by its neighbours, since neighbours are a coarse
    guide. Of n forgotten samples of which c are contradicted, m = (c - natural n) / (1 - natural)
    are then so because they were trained on; these, the most contradicted ones, are to be decided
    as their neighbours are. All others keep their decision. Nobody is to be more confident than
    held-out samples are.
    """
    natural = _contradicted(unseen, unseen_neighbours)
    against = forgotten.argmax(dim=1) != forgotten_neighbours.argmax(dim=1)
    contradicted = int(against.sum())
    excess = (contradicted - natural * len(forgotten)) / max(1.0 - natural, 1e-9)
    strength = contradiction(forgotten_neighbours, forgotten).masked_fill(~against, -1.0)
    order = strength.argsort(descending=True, stable=True)
    turned = torch.zeros(len(forgotten), dtype=torch.bool)
    turned[order[: min(max(0, round(excess)), contradicted)]] = True
    return _towards(turned, contradicted, natural, forgotten, forgotten_neighbours, unseen, seen)


def guided_targets(
    forgotten: Tensor,
    forgotten_said: Tensor,
    unseen: Tensor,
    unseen_said: Tensor,
    seen: Tensor,
) -> Targets:
    """Targets from softmax outputs of the parent, (n, k), (h, k), (r, k), and from a guide's.

    A guide has learnt what the parent says of other samples, so that it is no coarse one: what it
    says of a forgotten sample is what a network says that never saw it. Where it says otherwise
    than the parent, the sample is to be decided so, also where it would contradict as many held-out
    ones: a retrained network changes its mind about as many.
    """
    turned = forgotten.argmax(dim=1) != forgotten_said.argmax(dim=1)
    natural = _contradicted(unseen, unseen_said)
    return _towards(turned, int(turned.sum()), natural, forgotten, forgotten_said, unseen, seen)


def _contradicted(outputs: Tensor, others: Tensor) -> float:
    return float((outputs.argmax(1) != others.argmax(1)).double().mean())


def _towards(
    turned: Tensor,
    contradicted: int,
    natural: float,
    forgotten: Tensor,
    said: Tensor,
    unseen: Tensor,
    seen: Tensor,
) -> Targets:
    confidence = as_unseen(
        forgotten.max(dim=1).values, seen.max(dim=1).values, unseen.max(dim=1).values
    )
    return Targets(
        turned=turned,
        kept=with_confidence(forgotten, confidence)[~turned].float(),
        # Not in float32: of two answers that are all but equal there, another one might come first.
        said=said[turned].clamp(min=FLOOR),
        natural=natural,
        contradicted=contradicted,
        by_chance=at_least(contradicted, len(forgotten), natural),
    )
