"""Copies an ensemble and the cards and weights of its members into a study folder, and nothing else.

python Testing/keep_ensemble.py ENSEMBLE.json STUDY
"""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

from lossseg.files import read_json, write_json
from lossseg.model import load_ensemble, save_ensemble

# Settings that name folders of the training, which nobody who gets the model has.
_PLACES = ("splits", "plan", "cache", "start_from")


def keep(ensemble_file: Path, study: Path) -> Path:
    """Write STUDY/models/GROUP_FOLD/... and STUDY/ensembles/NAME.json; returns the latter."""
    ensemble = load_ensemble(ensemble_file)
    folders = []
    for member in ensemble.members:
        source = member.model.folder
        folder = study / "models" / f"{source.parent.name}_{source.name}"
        folder.mkdir(parents=True)
        shutil.copyfile(source / "weights.safetensors", folder / "weights.safetensors")
        write_json(folder / "model.json", without_places(read_json(source / "model.json")))
        folders.append(folder)
    kept = study / "ensembles" / ensemble_file.name
    save_ensemble(kept, folders, weights=[member.weight for member in ensemble.members], chosen=ensemble.chosen)
    write_json(study / "study.json", {"name": "Nodules in CT phantoms", "made_by": "Testing/demo_ensemble.sh"})
    return kept


def without_places(card: dict[str, Any]) -> dict[str, Any]:
    settings = {key: None if key in _PLACES else value for key, value in card["training"]["settings"].items()}
    return {**card, "training": {**card["training"], "settings": settings}}


if __name__ == "__main__":
    path = keep(Path(sys.argv[1]), Path(sys.argv[2]))
    print(json.dumps({"ensemble": str(path)}))
