"""What of the parent's answers is owed to the forgotten samples, as far as they tell it themselves.

Not what it remembers of the samples, but what it learnt from them about others: that there is a
class of which nothing remains, and wrong labels. A network that was trained without them would not
know it, so no candidate is held to it.
"""

from dataclasses import dataclass

from torch import Tensor

from workers.statistics.label_noise import LabelNoise, label_noise
from workers.statistics.shares import among_others, emptied


@dataclass(frozen=True)
class Hindsight:
    """emptied: (k,) bool, the classes of which nothing remains."""

    emptied: Tensor
    noise: LabelNoise

    def decisions(self, logits: Tensor) -> list[Tensor]:
        """The parent's logits (n, k) -> the decisions (n,) that are as good as its own.

        Its own is the first. Another one is its next decision, where its own is for an emptied
        class; and the one that it would have come to without wrong labels.
        """
        found = [logits.argmax(dim=1)]
        if bool(self.emptied.any()):
            found.append(among_others(logits, self.emptied).argmax(dim=1))
        if self.noise:
            cleared = self.noise.cleared(logits.softmax(dim=1))
            found.append(cleared.masked_fill(self.emptied, -1.0).argmax(dim=1))
        return found


def hindsight(remaining: Tensor, forgotten: Tensor, sizes: tuple[int, int]) -> Hindsight:
    """What the parent's logits (n, k) and (m, k) tell of the two sets, or of draws from them.

    sizes: how many remaining and forgotten samples there are in all.
    """
    of_remaining, of_forgotten = remaining.softmax(dim=1), forgotten.softmax(dim=1)
    noise = label_noise(of_remaining, of_forgotten, sizes)
    gone = emptied(noise.cleared(of_remaining), noise.cleared(of_forgotten), sizes)
    return Hindsight(gone, noise)
