"""A campaign in a process of its own, which one of its workers is to kill: CONFIG RUN AT FOLDER."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from qdx.campaign.campaign import Campaign
from tests.campaign.striking import Strike, kill_victims

if __name__ == "__main__":
    config, run, at, folder = sys.argv[1:]
    (Path(folder) / "victims").write_text(str(os.getpid()))
    with Campaign(json.loads(config), run) as campaign:
        campaign.rollout = Strike(campaign.rollout, int(at), kill_victims, Path(folder))
        campaign.run()
