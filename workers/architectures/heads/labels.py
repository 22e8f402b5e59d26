"""Several labels a sample: each is a yes or a no, and what is decided is the set of those with yes.

The logit of a set is the sum of its labels' logits. Over all sets, the softmax of these sums is the
product of the labels' sigmoids, so that the likeliest set holds the labels with a positive logit,
and divergences and entropies are the sums of the labels' own.
"""

import torch
from torch import Tensor, nn

# With so many labels or fewer, all sets of them are told apart.
FEW_LABELS = 6
# Else those that the parent decides on most often among remaining samples, at most so many.
MOST_SETS = 256


class LabelSets(nn.Module):
    """Logits (b, l) of labels -> logits (b, k) of sets of them.

    `members` (k, l) says which labels are in a set. It is in no state dict.
    """

    members: Tensor

    def __init__(self, members: Tensor) -> None:
        super().__init__()
        self.register_buffer("members", members.float(), persistent=False)

    def forward(self, logits: Tensor) -> Tensor:
        # In few bits, sums of many logits would be rounding.
        with torch.autocast(logits.device.type, enabled=False):
            return logits.float() @ self.members.T


def first_sets(labels: int) -> LabelSets:
    """All sets of a few labels; of many, the empty one and those of one label."""
    if labels > FEW_LABELS:
        return LabelSets(torch.cat([torch.zeros(1, labels), torch.eye(labels)]))
    numbers = torch.arange(2**labels).unsqueeze(1)
    return LabelSets(numbers >> torch.arange(labels) & 1)


def usual_sets(logits: Tensor) -> LabelSets:
    """Sets by what remaining samples are decided as, for logits (n, l) of their labels.

    Those of `first_sets` are among them: they pin each label's own logit. A sample with a set that
    is not there is decided as the one of them that is likeliest for it.
    """
    first = first_sets(logits.shape[1]).members
    if logits.shape[1] <= FEW_LABELS:
        return LabelSets(first)
    found, counts = (logits > 0).unique(dim=0, return_counts=True)
    several = found.sum(dim=1) > 1
    usual = found[several][counts[several].argsort(descending=True, stable=True)[:MOST_SETS]]
    return LabelSets(torch.cat([first, usual.to(first)]))
