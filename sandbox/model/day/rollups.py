"""Campaign totals follow their members and deals every night."""

from __future__ import annotations

import numpy as np

from sandbox.model.day.clock import Day


def roll_up(day: Day) -> None:
    """The nightly job recalculates the campaigns concerned; their system stamp moves, nobody has modified them."""
    campaigns = np.unique(np.concatenate([np.zeros(0, np.int64), *day.credited]))
    day.company.campaigns.update(campaigns, stamp=day.tonight(4 * 3600 + 1800))
