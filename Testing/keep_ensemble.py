"""Copies an ensemble and the cards and weights of its members into a study folder, and nothing else.

python Testing/keep_ensemble.py ENSEMBLE.json STUDY
"""

import json
import shutil
import sys
from pathlib import Path

from lossseg.files import write_json
from lossseg.model import load_ensemble, save_ensemble

_NEEDED = ("model.json", "weights.safetensors")


def keep(ensemble_file: Path, study: Path) -> Path:
    """Write STUDY/models/GROUP_FOLD/... and STUDY/ensembles/NAME.json; returns the latter."""
    ensemble = load_ensemble(ensemble_file)
    folders = []
    for member in ensemble.members:
        source = member.model.folder
        folder = study / "models" / f"{source.parent.name}_{source.name}"
        folder.mkdir(parents=True)
        for name in _NEEDED:
            shutil.copyfile(source / name, folder / name)
        folders.append(folder)
    kept = study / "ensembles" / ensemble_file.name
    save_ensemble(kept, folders, weights=[member.weight for member in ensemble.members], chosen=ensemble.chosen)
    write_json(study / "study.json", {"name": "Nodules in CT phantoms", "made_by": "Testing/demo_ensemble.sh"})
    return kept


if __name__ == "__main__":
    path = keep(Path(sys.argv[1]), Path(sys.argv[2]))
    print(json.dumps({"ensemble": str(path)}))
