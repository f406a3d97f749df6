"""A plain MONAI training loop with a loss of lossseg.

lossseg phantom ct data/nodules --cases 4 --size 48 64 64
python examples/monai_loop.py data/nodules --loss "dice + topk(k=0.1)" --epochs 5
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from monai.data import DataLoader, Dataset
from monai.networks.nets import BasicUNet
from monai.transforms import (
    Compose,
    EnsureChannelFirstd,
    LoadImaged,
    NormalizeIntensityd,
    RandCropByPosNegLabeld,
    RandFlipd,
)
from monai.utils import set_determinism

from lossseg.losses import build


def cases(dataset: Path) -> list[dict[str, str]]:
    """Image and label files of an nnU-Net dataset with one channel."""
    labels = sorted((dataset / "labelsTr").glob("*.nii.gz"))
    images = [dataset / "imagesTr" / label.name.replace(".nii.gz", "_0000.nii.gz") for label in labels]
    return [{"image": str(image), "label": str(label)} for image, label in zip(images, labels, strict=True)]


def transforms() -> Compose:
    both = ["image", "label"]
    return Compose(
        [
            LoadImaged(both),
            EnsureChannelFirstd(both),
            NormalizeIntensityd("image"),
            RandCropByPosNegLabeld(both, "label", spatial_size=(32, 32, 32), pos=1, neg=1, num_samples=2),
            RandFlipd(both, prob=0.5, spatial_axis=0),
        ]
    )


def train(dataset: Path, expression: str, epochs: int) -> list[float]:
    """The mean loss of each epoch."""
    set_determinism(0)
    classes = len(json.loads((dataset / "dataset.json").read_text())["labels"])
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    loader = DataLoader(Dataset(cases(dataset), transforms()), batch_size=2, shuffle=True)
    network = BasicUNet(in_channels=1, out_channels=classes, features=(8, 8, 16, 32, 64, 8)).to(device)
    loss = build(expression, classes=classes).to(device)
    # A loss may learn, as tversky(alpha=learn) does: its parameters come in groups with a rate of their own.
    optimizer = torch.optim.AdamW([{"params": network.parameters()}, *loss.parameter_groups()], lr=1e-3)
    means = []
    for epoch in range(epochs):
        values = []
        for batch in loader:
            image, label = (batch[key].as_tensor().to(device) for key in ("image", "label"))
            optimizer.zero_grad()
            value = loss(network(image), label.long())
            value.backward()
            optimizer.step()
            values.append(value.item())
        means.append(sum(values) / len(values))
        # Adaptive losses may look at an epoch's measures; there are none here.
        loss.end_epoch({})
        learned = ", ".join(f"{name} = {number:.3f}" for name, number in loss.learned().items())
        print(f"epoch {epoch + 1}: {means[-1]:.4f} {learned}")
    return means


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description="Train a small MONAI network with a loss of lossseg.")
    arguments.add_argument("dataset", type=Path, help="folder in nnU-Net's raw layout")
    arguments.add_argument("--loss", default="dice + topk(k=0.1)", help="loss expression")
    arguments.add_argument("--epochs", type=int, default=5)
    chosen = arguments.parse_args()
    train(chosen.dataset, chosen.loss, chosen.epochs)
