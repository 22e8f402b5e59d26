"""Encoders have no classes: prototypes decide, and the representation itself must be kept."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from tests.workers.memorised import samples
from workers.evaluation.judge import AuditJudge
from workers.unlearning.base import Judgement, Problem, Tap, UnlearningError
from workers.unlearning.prototypes import (
    CONFIDENCE,
    Prototypes,
    cluster,
    prototypes_of,
    temperature_for,
)
from workers.unlearning.registry import get_method


def clouds(count: int, per: int, width: int = 8) -> torch.Tensor:
    """So many clouds of points around directions that are far from each other."""
    generator = torch.Generator().manual_seed(0)
    centres = torch.eye(width)[:count].repeat_interleave(per, dim=0)
    return centres + 0.01 * torch.randn(count * per, width, generator=generator)


def test_clusters_are_found_and_the_same_seed_finds_the_same() -> None:
    points = clouds(5, 30)

    first, second = (cluster(points, 5, torch.Generator().manual_seed(3)) for _ in range(2))

    assert torch.equal(first, second)
    found = (points.reshape(5, 30, 8).mean(dim=1) @ first.T).argmax(dim=1)
    assert sorted(found.tolist()) == [0, 1, 2, 3, 4]


def test_no_more_clusters_than_different_points() -> None:
    points = torch.eye(3).repeat(10, 1)
    assert len(cluster(points, 16, torch.Generator().manual_seed(0))) == 3
    with pytest.raises(UnlearningError, match="one and the same representation"):
        prototypes_of(torch.ones(40, 4), torch.Generator().manual_seed(0))


def test_a_decision_is_the_nearest_prototype_at_a_usual_confidence() -> None:
    points = torch.randn(2000, 16, generator=torch.Generator().manual_seed(1))

    head = prototypes_of(points, torch.Generator().manual_seed(0))
    logits = head(points)

    units = nn.functional.normalize(points, dim=1)
    assert torch.equal(logits.argmax(1), torch.cdist(units, head.centres).argmin(1))
    assert len(head.centres) == 2000 // 64
    sure = logits.softmax(dim=1).max(dim=1).values.mean()
    assert float(sure) == pytest.approx(CONFIDENCE, abs=0.01)
    # How long a representation is does not matter.
    torch.testing.assert_close(head(3 * points), logits)
    assert temperature_for(torch.tensor([[0.0, 1.0]])) > 0


def test_in_few_bits_a_decision_is_the_same() -> None:
    """All directions are nearly one, as those of text encoders are: differences are small."""
    generator = torch.Generator().manual_seed(1)
    points = 4.0 + torch.randn(500, 64, generator=generator)
    head = prototypes_of(points, torch.Generator().manual_seed(0))

    with torch.autocast("cpu", torch.bfloat16):
        found = head(points)

    torch.testing.assert_close(found, head(points))


def test_prototypes_are_in_no_state_dict_and_are_not_trained() -> None:
    head = Prototypes(torch.eye(2), 0.1)
    assert not head.state_dict()
    assert not list(head.parameters())


class Collapsed(nn.Module):
    """Representations (b, d) as they are, or brought to the nearest of a few `places` (p, d)."""

    def __init__(self, places: Tensor | None = None) -> None:
        super().__init__()
        self.places = places
        self.view = nn.Identity()

    def forward(self, points: Tensor) -> Tensor:
        if self.places is not None:
            points = self.places[torch.cdist(points, self.places).argmin(dim=1)]
        seen: Tensor = self.view(points)
        return seen


def kept(
    candidate: nn.Module, remaining: Tensor, holdout: Tensor | None, encodes: bool = True
) -> Judgement:
    """A verdict on a candidate whose parent keeps all points as they are."""
    problem = Problem(
        model=Collapsed(),
        fresh=Collapsed,
        tap=Tap("view", "output"),
        remaining=samples(remaining),
        forgotten=samples(remaining[:1]),
        holdout=None if holdout is None else samples(holdout),
        device=torch.device("cpu"),
        seed=1,
        min_agreement=0.97,
        encodes=encodes,
    )
    return AuditJudge(problem).look(candidate)


def test_where_all_directions_are_nearly_one_a_collapse_is_seen_all_the_same() -> None:
    """Any two have a cosine of 0.98. What is left of a sample in its cluster's middle is little."""
    points = 7.0 + torch.randn(600, 32, generator=torch.Generator().manual_seed(1))
    candidate = Collapsed(points[:16])
    plain = nn.functional.cosine_similarity(points, candidate(points)).mean()

    found = kept(candidate, points[:400], points[400:])

    assert plain > 0.97
    cosine = found.facts["cosine"]
    assert cosine["remaining"] < 0.7
    assert cosine["holdout"] < 0.7
    assert not found.kept
    moved = [reason for reason in found.held_back if "cosine" in reason]
    assert f"on remaining data is {cosine['remaining']:.4f}; at least 0.9700" in moved[0]
    assert f"on held-out data is {cosine['holdout']:.4f}; at least 0.9" in moved[1]
    # Of other networks it is not measured.
    other = kept(candidate, points[:400], points[400:], encodes=False)
    assert other.facts["cosine"] is None


class Shifted(Collapsed):
    """Representations (b, d) that are all moved by the same vector, so that decisions stay."""

    def __init__(self, shift: float) -> None:
        super().__init__()
        self.shift = shift

    def forward(self, points: Tensor) -> Tensor:
        return super().forward(points + self.shift)


@pytest.mark.parametrize("shift", [0.1, 0.3])
def test_a_representation_that_moved_is_refused_by_its_cosine_alone(shift: float) -> None:
    """Around their mean, points have the length √32, so a cosine is about 1 / √(1 + shift²)."""
    points = torch.randn(600, 32, generator=torch.Generator().manual_seed(1))

    found = kept(Shifted(shift), points[:400], points[400:])
    without = kept(Shifted(shift), points[:400], None)

    cosine = found.facts["cosine"]
    assert cosine["remaining"] == pytest.approx((1 + shift**2) ** -0.5, abs=0.01)
    assert cosine["holdout"] == pytest.approx((1 + shift**2) ** -0.5, abs=0.01)
    assert found.facts["agreement"] == found.facts["holdout_agreement"] == 1.0
    what = "The mean cosine of representations with the parent's"
    # On held-out data less is wanted by the share that was forgotten, 1 of 401.
    moved = (
        f"{what} on remaining data is {cosine['remaining']:.4f}; at least 0.9700 is wanted.",
        f"{what} on held-out data is {cosine['holdout']:.4f}; at least 0.9675 is wanted.",
    )
    assert found.kept is without.kept is (shift == 0.1)
    assert found.held_back == (() if found.kept else moved)
    assert without.held_back == (() if without.kept else moved[:1])


@pytest.mark.parametrize("points", [torch.ones(1, 4), torch.ones(9, 4)], ids=["one", "alike"])
def test_what_is_unchanged_is_kept_where_there_is_nothing_around_the_mean(points: Tensor) -> None:
    same = kept(Collapsed(), points, None)
    other = kept(Collapsed(torch.full((1, 4), 2.0)), points, None)

    assert same.facts["cosine"]["remaining"] == 1.0
    assert same.kept
    assert other.facts["cosine"]["remaining"] == 0.0
    assert not other.kept


class Counted:
    """Samples of which only the number is asked."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __len__(self) -> int:
        return self._count

    def batch(self, positions: torch.Tensor) -> torch.Tensor:
        return torch.zeros(len(positions), 2)


@pytest.mark.parametrize("forgotten", [3, 300])
def test_an_encoder_is_never_distilled(forgotten: int) -> None:
    model = nn.Linear(2, 2)
    problem = Problem(
        model=model,
        fresh=lambda: nn.Linear(2, 2),
        tap=Tap("", "output"),
        remaining=Counted(700),
        forgotten=Counted(forgotten),
        holdout=None,
        device=torch.device("cpu"),
        seed=0,
        min_agreement=0.97,
    )
    encoder = replace(problem, encodes=True)
    for name in ("distil", "guided"):
        assert get_method(name).offer(problem) is not None
        assert get_method(name).offer(encoder) is None
    assert get_method("laf").offer(encoder) is not None
