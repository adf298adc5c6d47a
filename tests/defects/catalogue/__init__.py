"""The seeded defects, one module an area: a defect stands where the scenario is that must turn red."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping

from tests.defects.defect import KNOWN, Defect

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

DEFECTS: Mapping[str, Defect] = KNOWN
