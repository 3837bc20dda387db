"""OpenMP threads of these tests sleep while they wait, as in ``python -m trainer``: tests share their cores."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
