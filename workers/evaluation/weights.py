"""How far two networks of the same form are from each other."""

from collections import defaultdict
from collections.abc import Callable

import torch
from torch import Tensor, nn

from workers.evaluation.report import WeightReport
from workers.statistics.agreement import agreement, divergences
from workers.statistics.intervals import ends, resampled_means, wilson
from workers.unlearning.copying import duplicate

# Parts of the way from the parent to the candidate.
HALF = 0.5
STATIONS = (0.25, HALF, 0.75)


def weights(
    parent: nn.Module,
    candidate: nn.Module,
    fresh: nn.Module,
    ask: Callable[[nn.Module], Tensor],
    *,
    resamples: int,
    seed: int,
) -> WeightReport:
    """Distances, and what `ask` hears on the way: logits (n, k) of a network on some samples.

    The barrier's interval is of so many `resamples`, drawn with `seed`.

    An edit stays in the parent's basin: no barrier, and a network half-way that agrees. A student
    with fresh weights is behind a high one, which is a sign of nothing being left of the parent's
    weights; that nothing of its knowledge is left does not follow.
    """
    total, by_module = _distances(parent, candidate)
    start = ask(parent)
    on_the_way = {part: ask(_between(parent, candidate, part)) for part in STATIONS}
    end = divergences(start, ask(candidate))
    # How far each station lies above the line, sample by sample: (n, stations).
    above = torch.stack(
        [divergences(start, logits) - part * end for part, logits in on_the_way.items()], dim=1
    )
    drawn = resampled_means(above, resamples, seed).amax(dim=1).clamp(min=0.0)
    low, high = ends(drawn)
    halfway = agreement(start, on_the_way[HALF])
    midpoint = wilson(halfway, len(start))
    return WeightReport(
        distance=total,
        fresh_distance=_distances(parent, fresh)[0],
        by_module=by_module,
        barrier=max(0.0, float(above.mean(dim=0).max())),
        barrier_low=low,
        barrier_high=high,
        midpoint_agreement=halfway,
        midpoint_low=midpoint[0],
        midpoint_high=midpoint[1],
    )


def _distances(parent: nn.Module, other: nn.Module) -> tuple[float, dict[str, float]]:
    """Relative distance of all parameters, and by the first two parts of their names."""
    moved: dict[str, float] = defaultdict(float)
    size: dict[str, float] = defaultdict(float)
    pairs = zip(parent.named_parameters(), other.parameters(), strict=True)
    for (name, mine), its in pairs:
        module = ".".join(name.split(".")[:-1][:2]) or name
        here = mine.detach().double().cpu()
        moved[module] += float((its.detach().double().cpu() - here).square().sum())
        size[module] += float(here.square().sum())
    total = _ratio(sum(moved.values()), sum(size.values()))
    return total, {module: _ratio(moved[module], size[module]) for module in moved}


def _ratio(moved: float, size: float) -> float:
    """Of two squared norms; what was all zero has moved by its own new size."""
    return float((moved / size if size else moved) ** 0.5)


def _between(parent: nn.Module, candidate: nn.Module, part: float) -> nn.Module:
    """The network at this part of the straight line; counters and the like are the parent's."""
    made = duplicate(parent)
    ends = parent.state_dict(), candidate.state_dict()
    with torch.no_grad():
        for name, tensor in made.state_dict().items():
            if tensor.is_floating_point():
                tensor.copy_(torch.lerp(ends[0][name], ends[1][name], part))
    return made
