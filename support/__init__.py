"""The engine of the acceptance suite."""

import os

# What is tested stands in the suite's own variables alone: libpq's would send its clients somewhere else, or
# let in the suite but not the platform, which reaches its servers by other addresses.
for _name in [name for name in os.environ if name.startswith("PG")]:
    del os.environ[_name]
# No file, without a warning.
os.environ["PGPASSFILE"] = f"{os.devnull}/none"
# onnxruntime reports its use to its maker; nothing of what is tested here, or on what, is anybody's business.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
