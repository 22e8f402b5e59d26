"""What wrong labels of forgotten samples have taught the parent about others. No label is read.

A sample with a wrong label speaks against the samples that look like it. A parent that learnt from
many of them is unsure of a whole class, and decides wrongly where classes meet; a network that
learns from its answers learns that too. It shows in three things together: forgotten samples make
up much of what the parent takes for the class, they are less sure than the remaining ones that it
takes for it, although it was trained on both, and even its surest answer for the class is not sure.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from workers.statistics.shares import parts_of

# Fewer samples of a class, on either side, say nothing.
FEWEST = 20
# Standard errors by which forgotten samples are less sure than remaining ones of their class.
SIGNIFICANT = 4.0
# Where the classes meet a network is rightly unsure; of its surest tenth it ought to be certain.
SUREST = 0.9
# Less noise than this is left alone.
LEAST = 0.02
ROUNDS = 30


@dataclass(frozen=True)
class LabelNoise:
    """Of the samples that look like class c, the share `shares[c]` was trained with other labels.

    Those are the classes y in the proportions `others[c, y]`, whose rows have the sum 1 and are 0
    where there is no noise. Of the forgotten ones among these samples it was the share `wrong[c]`.
    shares and wrong: (k,); others: (k, k).
    """

    shares: Tensor
    wrong: Tensor
    others: Tensor

    def __bool__(self) -> bool:
        return bool((self.shares > 0).any())

    def cleared(self, outputs: Tensor) -> Tensor:
        """Softmax outputs (n, k), as a network would have them without the wrong labels -> (n, k).

        The noisy output of a sample is p = q T with T = diag(1 - shares) + diag(shares) others, the
        transition matrix of the labels (Patrini et al., CVPR 2017). The q of the largest likelihood
        is found by expectation maximisation, and is a distribution throughout, unlike p / T. What
        is left of doubt is the noise's more than the sample's: q becomes its own decision by the
        share of the forgotten labels that was wrong.
        """
        if not self:
            return outputs
        noisy = self.shares.nonzero().flatten()
        stays, goes = 1 - self.shares, self.shares[noisy, None] * self.others[noisy]
        found = outputs.clone()
        for _ in range(ROUNDS):
            expected = found * stays + found[:, noisy] @ goes
            ratio = outputs / expected.clamp(min=1e-12)
            back = ratio * stays
            back[:, noisy] += ratio @ goes.T
            found = found * back
            found /= found.sum(dim=1, keepdim=True).clamp(min=1e-12)
        decisions = found.argmax(dim=1)
        wrong = self.wrong[decisions, None]
        return found * (1 - wrong) + functional.one_hot(decisions, found.shape[1]) * wrong


def label_noise(remaining: Tensor, forgotten: Tensor, sizes: tuple[int, int]) -> LabelNoise:
    """What the answers say of the labels of forgotten samples.

    Softmax outputs (n, k) and (m, k) of the samples, or of draws from sets of these two `sizes`.
    The share of wrong labels in a class is what its surest tenth lacks to certainty, and at most
    the share of forgotten samples in it. It is 0 if forgotten samples of the class are no less sure
    than remaining ones, and in all classes unless they are so in these together, by `SIGNIFICANT`
    standard errors. The other labels are those that the surer half of the class is thought to have
    beside its own.
    """
    kept, gone = _decided(remaining), _decided(forgotten)
    weights = sizes[0] / len(remaining), sizes[1] / len(forgotten)
    width = remaining.shape[1]
    suspects = [
        suspect
        for label in range(width)
        if (suspect := _suspect(label, kept.of(label), gone.of(label), weights)) is not None
    ]
    shares, wrong, others = torch.zeros(width), torch.zeros(width), torch.zeros(width, width)
    error = math.sqrt(sum(suspect.variance for suspect in suspects))
    if sum(suspect.difference for suspect in suspects) > SIGNIFICANT * error:
        for suspect in suspects:
            shares[suspect.label] = suspect.share
            wrong[suspect.label] = suspect.share / suspect.forgotten
            others[suspect.label] = _beside(remaining, kept, suspect.label)
    return LabelNoise(shares, wrong, others)


@dataclass(frozen=True)
class _Suspect:
    """A class in which there may be label noise.

    `share` of what looks like it would have had wrong labels, `forgotten` of it was forgotten.
    Forgotten samples are by `difference` less sure than remaining ones, which has this `variance`.
    """

    label: int
    share: float
    forgotten: float
    difference: float
    variance: float


def _suspect(
    label: int, kept: Tensor, gone: Tensor, weights: tuple[float, float]
) -> _Suspect | None:
    """The sureness of remaining (n,) and forgotten (m,) samples that are decided for a class."""
    if min(len(kept), len(gone)) < FEWEST:
        return None
    counted = len(kept) * weights[0], len(gone) * weights[1]
    forgotten = counted[1] / sum(counted)
    share = min(forgotten, 1 - float(kept.sort().values[int(SUREST * (len(kept) - 1))]))
    difference = float(kept.mean() - gone.mean())
    if share < LEAST or difference <= 0:
        return None
    variance = float(kept.var()) / len(kept) + float(gone.var()) / len(gone)
    return _Suspect(label, share, forgotten, difference, variance)


@dataclass(frozen=True)
class _Decided:
    """The largest output (n,) of each sample, and which one that is (n,)."""

    sureness: Tensor
    decisions: Tensor

    def of(self, label: int) -> Tensor:
        return self.sureness[self.decisions == label].double()


def _decided(outputs: Tensor) -> _Decided:
    largest = [part.max(dim=1) for part in parts_of(outputs)]
    return _Decided(
        torch.cat([part.values for part in largest]), torch.cat([part.indices for part in largest])
    )


def _beside(outputs: Tensor, decided: _Decided, label: int) -> Tensor:
    """The mean output (k,) of the surer half of what is decided for a class, but for the class."""
    least = decided.of(label).median()
    rows = ((decided.decisions == label) & (decided.sureness >= least)).nonzero().flatten()
    mean = outputs[rows].double().mean(dim=0)
    mean[label] = 0
    return (mean / mean.sum().clamp(min=1e-12)).float()
