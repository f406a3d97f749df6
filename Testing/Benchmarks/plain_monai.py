"""The peer of `lossseg train`: a plain MONAI training script, as its tutorials would have one write it.

DynUNet 16-32-64-128-128, patch 64^3, batch 2, RandCropByPosNegLabel, flips and intensity augmentation,
DiceCE, SGD with Nesterov momentum 0.99 and polynomial decay, bf16 autocast. It reads an nnU-Net v2 raw folder,
trains on the cases of one list and writes label and probability volumes of the cases of another.

    python Testing/Benchmarks/plain_monai.py DATASET SPLIT.json OUT --minutes 12 --seed 1

`--steps` replaces the budget in minutes by a number of steps, so that a run does not depend on what else the
machine does; take it from the `steps` that a run with `--minutes` on the idle machine prints.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import SimpleITK as sitk
import torch
from monai.data import DataLoader, Dataset
from monai.inferers import sliding_window_inference
from monai.losses import DiceCELoss
from monai.networks.nets import DynUNet
from monai.transforms import (
    Compose,
    EnsureChannelFirstd,
    EnsureTyped,
    LoadImaged,
    NormalizeIntensityd,
    RandAdjustContrastd,
    RandCropByPosNegLabeld,
    RandFlipd,
    RandGaussianNoised,
    RandScaleIntensityd,
    RandShiftIntensityd,
    ScaleIntensityRanged,
    SpatialPadd,
)
from monai.utils import set_determinism

PATCH = (64, 64, 64)


def items(dataset: Path, names: list[str], ending: str) -> list[dict[str, str]]:
    return [
        {
            "image": str(dataset / "imagesTr" / f"{name}_0000{ending}"),
            "label": str(dataset / "labelsTr" / f"{name}{ending}"),
            "name": name,
        }
        for name in names
    ]


def transforms(ct: bool) -> tuple[Compose, Compose]:
    intensity = (
        ScaleIntensityRanged("image", a_min=-1000, a_max=300, b_min=0, b_max=1, clip=True)
        if ct
        else NormalizeIntensityd("image", nonzero=True)
    )
    fixed = [LoadImaged(("image", "label")), EnsureChannelFirstd(("image", "label")), intensity]
    random = [
        SpatialPadd(("image", "label"), spatial_size=PATCH),
        RandCropByPosNegLabeld(("image", "label"), label_key="label", spatial_size=PATCH, pos=1, neg=1, num_samples=1),
        *[RandFlipd(("image", "label"), prob=0.5, spatial_axis=axis) for axis in range(3)],
        RandScaleIntensityd("image", factors=0.1, prob=0.5),
        RandShiftIntensityd("image", offsets=0.1, prob=0.5),
        RandGaussianNoised("image", prob=0.15, std=0.1),
        RandAdjustContrastd("image", prob=0.15, gamma=(0.7, 1.5)),
        EnsureTyped(("image", "label")),
    ]
    return Compose(fixed), Compose(random)


def network() -> DynUNet:
    return DynUNet(
        spatial_dims=3,
        in_channels=1,
        out_channels=2,
        kernel_size=[3] * 5,
        strides=[1, 2, 2, 2, 2],
        upsample_kernel_size=[2] * 4,
        filters=[16, 32, 64, 128, 128],
        norm_name=("INSTANCE", {"affine": True}),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", type=Path)
    parser.add_argument("split", type=Path, help='JSON: {"train": [...], "test": [...]}')
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, default=12.0)
    parser.add_argument("--steps", type=int, help="this many steps instead of the budget in minutes")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()

    description = json.loads((args.dataset / "dataset.json").read_text())
    ending = description["file_ending"]
    split = json.loads(args.split.read_text())
    fixed, random = transforms(description["channel_names"]["0"] == "CT")
    set_determinism(args.seed)

    cached = [fixed(item) for item in items(args.dataset, split["train"], ending)]
    loader = DataLoader(Dataset(cached, random), batch_size=2, shuffle=True, drop_last=True, num_workers=0)
    net = network()
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-2, momentum=0.99, nesterov=True, weight_decay=3e-5)
    loss_function = DiceCELoss(to_onehot_y=True, softmax=True)

    started, step, done = time.monotonic(), 0, 0.0
    while done < 1:
        for batch in loader:
            done = step / args.steps if args.steps else (time.monotonic() - started) / (60 * args.minutes)
            if done >= 1:
                break
            for group in optimizer.param_groups:
                group["lr"] = 1e-2 * (1 - done) ** 0.9
            with torch.autocast("cpu", dtype=torch.bfloat16):
                logits = net(batch["image"].as_tensor())
            loss = loss_function(logits.float(), batch["label"].as_tensor())
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 12)
            optimizer.step()
            step += 1
            if step % 50 == 0:
                print(f"step {step} loss {float(loss.detach()):.4f} {time.monotonic() - started:.0f} s", flush=True)
    seconds = time.monotonic() - started

    args.out.mkdir(parents=True, exist_ok=True)
    net.eval()
    for item in items(args.dataset, split["test"], ending):
        image = fixed(item)["image"].as_tensor()[None]
        with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
            logits = sliding_window_inference(image, PATCH, 2, net, overlap=0.5, mode="gaussian")
        probability = torch.softmax(logits.float(), 1)[0, 1].numpy().transpose(2, 1, 0)
        reference = sitk.ReadImage(item["label"])
        for array, suffix in ((probability, "_prob"), ((probability > 0.5).astype(np.uint8), "")):
            volume = sitk.GetImageFromArray(array)
            volume.CopyInformation(reference)
            sitk.WriteImage(volume, str(args.out / f"{item['name']}{suffix}{ending}"), True)
    record = {"steps": step, "seconds": round(seconds, 1), "seed": args.seed, "minutes": args.minutes}
    (args.out / "run.json").write_text(json.dumps(record))
    print(json.dumps(record))


if __name__ == "__main__":
    main()
