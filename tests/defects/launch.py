"""Runs a service with one seeded defect: ``python -m tests.defects.launch <defect> -- gateway|embedding``."""

from __future__ import annotations

import runpy
import sys

from tests.defects.catalogue import DEFECTS

USAGE = "usage: python -m tests.defects.launch <defect> -- gateway|embedding [arguments of the service]"


def main() -> None:
    """Apply the defect to this process, then run the service as usual."""
    if len(sys.argv) < 4 or sys.argv[2] != "--" or sys.argv[1] not in DEFECTS:
        sys.exit(f"{USAGE}\ndefects: {', '.join(sorted(DEFECTS))}")
    name, service = sys.argv[1], sys.argv[3]
    DEFECTS[name].apply()
    module = f"support.reference.{service}"
    sys.argv = [module, *sys.argv[4:]]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
