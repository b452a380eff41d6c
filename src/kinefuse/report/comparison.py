"""Errors against a reference motion, as the report shows them."""

from typing import Any

import numpy as np

from kinefuse.motion import Motion
from kinefuse.report.wording import near_singular, plain_angles


def comparison_of(motion: Motion, truth: Motion) -> dict[str, Any]:
    return {"rows": [], "summary": [], "notes": []}
