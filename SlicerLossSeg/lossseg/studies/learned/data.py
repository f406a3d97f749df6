"""Proxy patches from a dataset: training, validation and test from different patients."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from lossseg import networks
from lossseg.dataset import make_folds, open_dataset
from lossseg.dataset.patients import by_patient
from lossseg.errors import InputError
from lossseg.inference.device import choose_device
from lossseg.preprocessing import Plan, PlanSettings, PreparedCases, plan_dataset, prepare_dataset
from lossseg.reporting import Reporter
from lossseg.studies.learned.proxy import Patches, Proxy, check_proxy
from lossseg.training.patches import Patches as PatchStream
from lossseg.training.sampling import LesionSampler

_FOLDS, _FEWEST = 5, 3


@dataclass(frozen=True)
class ProxySettings:
    """How the proxy is made; see `Proxy` for what is not said here.

    Attributes:
        patches: number of training patches; half as many for validation and for the test.
        patch: (z, y, x) voxels.
        filters: of the network's first stage.
    """

    patches: int = 96
    patch: tuple[int, int, int] = (24, 24, 24)
    filters: int = 8
    steps: int = 200
    batch: int = 2
    rate: float = 3e-3
    beta: float = 1.0
    seed: int = 0
    device: str = "auto"


def proxy_of(dataset_folder: Path, cache: Path, settings: ProxySettings, reporter: Reporter) -> Proxy:
    """The proxy of a dataset.

    Raises:
        InputError: the dataset cannot be used, has fewer than three annotated patients, or its patches no foreground.
    """
    dataset = open_dataset(dataset_folder)
    names = [case.name for case in dataset.cases if case.label is not None]
    patients = len(by_patient(names))
    if patients < _FEWEST:
        raise InputError(
            f"{dataset_folder} has {patients} annotated patients.",
            "A search needs three: to learn from, to choose by, and to test on.",
        )
    folds = make_folds(names, min(_FOLDS, patients), settings.seed)
    validation, test = folds[0].validation, folds[1].validation
    training = [name for name in names if name not in validation and name not in test]
    plan_settings = PlanSettings(
        base_filters=settings.filters, patch=settings.patch, batch=settings.batch, deep_supervision=False
    )
    plan = plan_dataset(dataset, plan_settings, names=training, reporter=reporter)[1]
    cases = prepare_dataset(dataset, plan, cache, names=names, reporter=reporter)
    device, _ = choose_device(settings.device)
    few = max(settings.patches // 2, 1)
    proxy = Proxy(
        network=lambda: networks.build(plan.network),
        training=_cut(cases, training, plan, settings.patches, settings.seed, reporter).to(device),
        validation=_cut(cases, validation, plan, few, settings.seed + 1, reporter).to(device),
        test=_cut(cases, test, plan, few, settings.seed + 2, reporter).to(device),
        classes=plan.classes,
        steps=settings.steps,
        batch=settings.batch,
        rate=settings.rate,
        beta=settings.beta,
        seed=settings.seed,
        ignore=dataset.ignore,
        spacing=plan.spacing,
    )
    check_proxy(proxy)
    return proxy


def _cut(
    cases: PreparedCases, names: list[str] | tuple[str, ...], plan: Plan, count: int, seed: int, reporter: Reporter
) -> Patches:
    chosen = [cases[name] for name in names]
    # Every second patch is centred on a lesion, of any size alike.
    sampler = LesionSampler(chosen, plan.patch, oversampling=0.5, batch=2)
    stream = PatchStream(chosen, sampler, plan, None, seed=seed)
    samples = []
    for index in range(count):
        reporter.check()
        samples.append(stream[index])
    return Patches(
        torch.stack([sample["image"] for sample in samples]), torch.stack([sample["label"] for sample in samples])
    )
