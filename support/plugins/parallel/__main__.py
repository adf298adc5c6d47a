"""``python -m support.plugins.parallel``: a worker; only the run starts it."""

from __future__ import annotations

import sys

from support.plugins.parallel.worker import main

if __name__ == "__main__":
    sys.exit(main())
