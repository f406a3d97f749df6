"""Job `networks`: which networks can be trained."""

from __future__ import annotations

from dataclasses import dataclass

from lossseg.jobs.action import Action, Summary, argument
from lossseg.reporting import Reporter


@dataclass(frozen=True)
class NetworksParams:
    name: str | None = argument("Name of one network, to read all about it.", default=None)


def run(params: NetworksParams, reporter: Reporter) -> Summary:
    from lossseg.networks.catalogue import NETWORKS, entry_of

    entries = list(NETWORKS.values()) if params.name is None else [entry_of(params.name)]
    return {"networks": [_describe(entry.name) for entry in entries]}


def _describe(name: str) -> Summary:
    """What is known of a network, and what it would be for one channel, two classes and patches of 128³ voxels."""
    from lossseg.networks import read_config
    from lossseg.networks.catalogue import NETWORKS
    from lossseg.networks.planning import Design, plan_network

    entry = NETWORKS[name]
    config, _ = plan_network((1, 1, 1), (128, 128, 128), Design(network=name), in_channels=1, out_channels=2)
    checked = read_config(config)
    options = ["--base-filters", "--max-filters", "--filters"]
    options += ["--dilations"] if entry.dilated else []
    options += ["--no-deep-supervision"] if entry.deep_supervision else []
    return {
        "name": entry.name,
        "title": entry.title,
        "advice": entry.advice,
        "reference": entry.reference,
        "options": options,
        "deep_supervision": entry.deep_supervision,
        "parameters": checked.parameters,
        "patch_multiple": checked.divisor,
        "filters": config["filters"],
    }


ACTION = Action(
    kind="networks",
    title="List the networks, or read about one.",
    params=NetworksParams,
    run=run,
    details="Parameters are counted for one channel, two classes and patches of 128 x 128 x 128 voxels.",
    examples=("lossseg networks", "lossseg networks shared_dilation"),
)
