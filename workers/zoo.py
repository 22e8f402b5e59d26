"""Small networks that unlearnd ships: for the demo, the tests and the benchmarks.

The attribute `representation` of a module names the submodule whose output is the representation.
"""

from torch import Tensor, nn


class ConvNet(nn.Module):
    """Two convolutions, a linear layer whose output is the representation, and a linear head."""

    representation = "embed"

    def __init__(self, features: nn.Sequential, embed: nn.Linear, head: nn.Sequential) -> None:
        super().__init__()
        self.features = features
        self.embed = embed
        self.head = head

    def forward(self, images: Tensor) -> Tensor:
        """Images (b, c, h, w) -> logits (b, k)."""
        maps = self.features(images)
        logits: Tensor = self.head(self.embed(maps.flatten(start_dim=1)))
        return logits


def fashion_cnn() -> ConvNet:
    """The CNN of the LAF paper's code, for images (1, 28, 28) of ten classes: 449,098 weights."""
    return ConvNet(
        features=nn.Sequential(
            nn.Conv2d(1, 16, kernel_size=5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(16, 32, kernel_size=5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(2),
        ),
        embed=nn.Linear(1568, 256),
        head=nn.Sequential(nn.Linear(256, 128), nn.Linear(128, 10)),
    )


def digits_cnn() -> ConvNet:
    """A network for scikit-learn's digits, (1, 8, 8) and ten classes: 71,754 weights.

    It is large enough to learn a few hundred wrong labels by heart.
    """
    return ConvNet(
        features=nn.Sequential(
            nn.Conv2d(1, 16, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.Conv2d(16, 32, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
        ),
        embed=nn.Linear(512, 128),
        head=nn.Sequential(nn.ReLU(), nn.Linear(128, 10)),
    )
