"""Models from and for other frameworks, as files that hold numbers and words only."""

from lossseg.exchange.monai_bundle import export_bundle
from lossseg.exchange.monai_import import ImportedBundle, import_bundle, is_bundle
from lossseg.exchange.nnunet import Imported, import_nnunet

__all__ = ["Imported", "ImportedBundle", "export_bundle", "import_bundle", "import_nnunet", "is_bundle"]
