"""A method's result, kept for whoever goes on with a run that was killed later."""

from collections.abc import Callable

import torch

from workers.unlearning.base import Problem, Unlearned
from workers.unlearning.copying import duplicate
from workers.unlearning.resuming import named, once, under
from workers.unlearning.savepoints import Saved


def finished(problem: Problem, unlearn: Callable[[], Unlearned]) -> Unlearned:
    """What `unlearn` comes to, or came to before the run was killed."""

    def unpack(saved: Saved) -> Unlearned:
        model = duplicate(problem.model)
        model.load_state_dict(under("model", saved.tensors))
        return Unlearned(model, **saved.facts)

    saves, device = problem.compute.saves, problem.device
    return once(saves, "unlearned", device, torch.Generator(), unlearn, pack, unpack)


def pack(unlearned: Unlearned) -> Saved:
    facts = {
        "method": unlearned.method,
        "parameters": dict(unlearned.parameters),
        "summary": dict(unlearned.summary),
        "reached": unlearned.reached,
        "edited": unlearned.edited,
        "guides": unlearned.guides,
    }
    return Saved(named("model", unlearned.model.state_dict()), facts)
