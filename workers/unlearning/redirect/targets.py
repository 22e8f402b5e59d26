"""What a forgotten sample should be answered with: what is known without it."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from workers.statistics.intervals import at_least

# Keeps logarithms finite where no neighbour has a class.
FLOOR = 1e-4
HALVINGS = 40

# Keeps logarithms of doubles finite.
TINY = 1e-300

# Held-out samples are rarely less sure of their decision than the quantile `LOW` of them. Where so
# many forgotten ones are that chance alone has it more rarely than `RARE`, and neighbours show that
# wrong labels were learnt, these made them unsure.
LOW, RARE = 0.05, 0.01

# Fewer held-out samples with a decision than this do not show how sure such samples are.
ENOUGH = 10


@dataclass(frozen=True)
class Aim:
    """What n forgotten samples are to be answered with now.

    outputs: softmax targets (n, k). decided: (n,) int64, the classes of these decisions. odds: (n,)
    double, the log-odds of these decisions, which a softmax in float32 does not hold.
    """

    outputs: Tensor
    decided: Tensor
    odds: Tensor


@dataclass(frozen=True)
class Targets:
    """What n forgotten samples should be answered with.

    turned: (n,) bool, those that are to be decided as their neighbours are. said: softmax outputs
    (n, k) with the wanted decisions, the neighbours' for the turned ones and the parent's for all
    others. places: (n,), which quantile of held-out log-odds each is to have. most: (n,) log-odds
    that are not to be exceeded. natural: the share of held-out samples whose neighbours contradict
    the parent. contradicted: how many forgotten samples' neighbours do. by_chance: the chance that
    so many or more held-out samples of as many would be.
    """

    turned: Tensor
    said: Tensor
    places: Tensor
    most: Tensor
    natural: float
    contradicted: int
    by_chance: float

    def aim(self, unseen: Tensor) -> Aim:
        """The targets beside what is said of held-out samples now: logits `unseen` (h, k).

        These are an argument because an edit moves them: once wrong labels are gone, a network is
        surer of everything else.
        """
        decided = self.said.argmax(dim=1)
        theirs = unseen.argmax(dim=1)
        odds = torch.minimum(
            alike(self.places, decided, log_odds(unseen, theirs), theirs), self.most
        )
        outputs = with_confidence(self.said, odds.sigmoid())
        return Aim(outputs.float(), decided, odds)


def log_odds(logits: Tensor, decided: Tensor) -> Tensor:
    """ln(p / (1 - p)) of the classes `decided` (n,) under logits (n, k) -> (n,) double."""
    logits, own = logits.double(), decided.unsqueeze(1)
    others = logits.scatter(1, own, -torch.inf).logsumexp(dim=1)
    return logits.gather(1, own).squeeze(1) - others


def alike(places: Tensor, decided: Tensor, unseen: Tensor, theirs: Tensor) -> Tensor:
    """The quantiles `places` (n,) of `unseen` (h,) among those with the same decision -> (n,).

    decided: (n,) and theirs: (h,), the decisions. Where fewer than `ENOUGH` held-out samples are
    decided so, they say little, and all are asked.
    """
    found = unseen.quantile(places)
    for label in decided.unique():
        same = unseen[theirs == label]
        if len(same) >= ENOUGH:
            mine = decided == label
            found[mine] = same.quantile(places[mine])
    return found


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


def ranked(odds: Tensor, decided: Tensor, seen: Tensor, theirs: Tensor) -> Tensor:
    """Which quantile log-odds `odds` (n,) are among `seen` (r,) with the same decision -> (n,).

    Ties have the middle one of their ranks: a network may be all but certain of everything. Where
    fewer than `ENOUGH` are decided so, all are asked.
    """
    places = torch.empty_like(odds)
    for label in decided.unique():
        mine, same = decided == label, seen[theirs == label]
        order = (same if len(same) >= ENOUGH else seen).sort().values
        below = torch.searchsorted(order, odds[mine])
        not_above = torch.searchsorted(order, odds[mine], right=True)
        places[mine] = (below + not_above).to(places.dtype) / (2 * max(len(order), 1))
    return places


def dealt(confidence: Tensor, decided: Tensor) -> Tensor:
    """Which quantile each of n samples is to have, dealt out by rank of `confidence` (n,) -> (n,).

    The i-th of m with one decision, from 0, gets (i + g) / m, where g is the rank (j + 1/2) / n
    that it has among all: so many samples are spread as held-out ones with that decision are, and
    so are single samples of many decisions, taken together. One and the same log-odds would stand
    out.
    """
    everyone = (_order(confidence) + 0.5) / max(len(confidence), 1)
    places = everyone.clone()
    for label in decided.unique():
        mine = decided == label
        places[mine] = (_order(confidence[mine]) + everyone[mine]) / int(mine.sum())
    return places


def unsure(odds: Tensor, decided: Tensor, unseen: Tensor) -> bool:
    """Whether more of n samples than chance explains are less sure than held-out ones ever are.

    odds, decided: (n,) log-odds and decisions. unseen: softmax outputs (h, k) of held-out samples.
    Wrong labels that were not learnt by heart leave their samples like this: decided as a network
    decides that never saw them, and less sure.
    """
    theirs = unseen.argmax(dim=1)
    places = ranked(odds, decided, log_odds(_logs(unseen), theirs), theirs)
    low = int((places < LOW).sum())
    return bool(len(odds)) and at_least(low, len(odds), LOW) < RARE


def _order(values: Tensor) -> Tensor:
    return values.argsort(stable=True).argsort(stable=True).double()


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
    as their neighbours are. All others keep their decision. No sample is to be more confident than
    held-out samples are, and one that keeps its decision is made no surer, unless wrong labels have
    made samples of this request unsure.
    """
    natural = _contradicted(unseen, unseen_neighbours)
    against = forgotten.argmax(dim=1) != forgotten_neighbours.argmax(dim=1)
    contradicted = int(against.sum())
    excess = (contradicted - natural * len(forgotten)) / max(1.0 - natural, 1e-9)
    strength = contradiction(forgotten_neighbours, forgotten).masked_fill(~against, -1.0)
    order = strength.argsort(descending=True, stable=True)
    turned = torch.zeros(len(forgotten), dtype=torch.bool)
    turned[order[: min(max(0, round(excess)), contradicted)]] = True
    return _towards(turned, contradicted, natural, forgotten, forgotten_neighbours, seen, unseen)


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
    return _towards(turned, int(turned.sum()), natural, forgotten, forgotten_said, seen, unseen)


def _contradicted(outputs: Tensor, others: Tensor) -> float:
    return float((outputs.argmax(1) != others.argmax(1)).double().mean())


def _logs(outputs: Tensor) -> Tensor:
    return outputs.double().clamp(min=TINY).log()


def _towards(
    turned: Tensor,
    contradicted: int,
    natural: float,
    forgotten: Tensor,
    said: Tensor,
    seen: Tensor,
    unseen: Tensor,
) -> Targets:
    # Not in float32: of two answers that are all but equal there, another one might come first.
    outputs = torch.where(turned.unsqueeze(1), said.clamp(min=FLOOR), forgotten)
    decided, theirs = outputs.argmax(dim=1), seen.argmax(dim=1)
    own = log_odds(_logs(forgotten), decided)
    places = ranked(own, decided, log_odds(_logs(seen), theirs), theirs)
    places[turned] = dealt(said[turned].max(dim=1).values, decided[turned])
    free, by_chance = turned, at_least(contradicted, len(forgotten), natural)
    if by_chance < RARE and unsure(own[~turned], decided[~turned], unseen):
        places[~turned] = dealt(own[~turned], decided[~turned])
        free = torch.ones_like(turned)
    return Targets(
        turned=turned,
        said=outputs,
        places=places.clamp(0.0, 1.0),
        most=own.masked_fill(free, torch.inf),
        natural=natural,
        contradicted=contradicted,
        by_chance=by_chance,
    )
