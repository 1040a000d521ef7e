"""Pictures of a learned space, for docs/learned-spaces.md.

    python experiments/taxons/pictures.py            # a short campaign on curling, then the pictures

The campaign is a run directory under experiments/taxons/runs; where it is there already, it is only
finished. Frames are of 32 pixels and chunks of 500 evaluations, so that three trainings take minutes.
"""

import json
import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from qdx.assembly.parts import build_descriptor, build_task
from qdx.assembly.stored import StoredRun
from qdx.campaign.campaign import Campaign
from qdx.report.canvas import (
    GROUPS,
    NORMAL,
    SMALL,
    dress,
    end_labels,
    evaluations_axis,
    figure,
    place,
    save,
)
from qdx.rollout.drawing import Drawing

HERE = Path(__file__).parent
RUN = HERE / "runs" / "pictures"
OUT = Path(__file__).parents[2] / "docs" / "images"
CONFIG = {
    "name": "pictures",
    "seed": 1,
    "budget": 5500,
    "task": "curling",
    "observer": {"kind": "frames", "size": 32},
    "descriptor": {"kind": "autoencoder", "max_epochs": 60},
    "searcher": {"kind": "taxons", "chunk": 500, "additions": 20},
}
N_SHOWN = 9


def campaign() -> StoredRun:
    """The run, finished."""
    with Campaign.resume(RUN) if (RUN / "config.yaml").exists() else Campaign(CONFIG, RUN) as c:
        c.run()
    return StoredRun.open(RUN)


def apart(points: np.ndarray, n: int) -> list[int]:
    """Rows far from each other: each the farthest from those before it."""
    chosen = [0]
    while len(chosen) < n:
        gaps = np.linalg.norm(points[:, None] - points[chosen], axis=2).min(axis=1)
        chosen.append(int(gaps.argmax()))
    return chosen


def reconstructions(run: StoredRun) -> Figure:
    """Frames of archived individuals, and what comes back of them before and after learning."""
    e = run.evaluations(run.archive_ids())
    rows = apart(e.outcomes.truth, N_SHOWN)
    seen = {"frames": e.outcomes.observations["frames"][rows]}
    learnt, fresh = build_descriptor(run.config), build_descriptor(run.config)
    learnt.restore(run.snapshot.states["descriptor"])
    size = run.config.observer.parameters.size
    shown = {
        "frame": Drawing(build_task(run.config), size)(seen["frames"])[:, 0] / 255,
        "untrained": fresh.reconstruct(seen),
        "learned": learnt.reconstruct(seen),
    }
    side, gap, left = 0.6, 0.05, 0.75
    made = figure(left + N_SHOWN * (side + gap), len(shown) * (side + gap) + gap)
    for at, (name, pictures) in enumerate(shown.items()):
        bottom = gap + (len(shown) - 1 - at) * (side + gap)
        for column, picture in enumerate(pictures):
            axes = place(made, (left + column * (side + gap), bottom, side, side))
            axes.imshow(np.clip(picture, 0, 1), interpolation="nearest")
            axes.set_axis_off()
        height = made.get_size_inches()[1]
        made.text(0.01, (bottom + side / 2) / height, name, va="center", size=NORMAL)
    return made


def maps(run: StoredRun) -> Figure:
    """The archive in its two main latent directions, coloured by where the ball ended."""
    e = run.evaluations(run.archive_ids())
    fresh = build_descriptor(run.config)
    before = fresh.describe(e.outcomes.observations, e.outcomes.failed).descriptors
    panels = [(f"{s}: coloured by {axis}", points, e.outcomes.truth[:, i])
              for s, points in (("untrained", before), ("learned", e.described.descriptors))
              for i, axis in enumerate(build_task(run.config).facts.measures)]  # fmt: skip
    side, gap = 1.55, 0.3
    made = figure(0.1 + len(panels) * (side + gap), side + 0.75)
    for column, (title, points, truth) in enumerate(panels):
        axes = place(made, (0.1 + column * (side + gap), 0.42, side, side))
        centred = points.astype(np.float64) - points.mean(axis=0)
        _, _, directions = np.linalg.svd(centred, full_matrices=False)
        x, y = (centred @ directions[:2].T).T
        low, high = np.quantile(truth, (0.03, 0.97))  # a few outliers would take all the colour
        dots = axes.scatter(x, y, c=truth, s=5, cmap="viridis", linewidths=0, vmin=low, vmax=high)
        dress(axes, title)
        axes.set_xticks([])
        axes.set_yticks([])
        key = place(made, (0.1 + column * (side + gap), 0.2, side, 0.07))
        bar = made.colorbar(dots, cax=key, orientation="horizontal")
        bar.outline.set_visible(False)
        key.tick_params(labelsize=SMALL - 0.5, width=0.5, length=2, pad=1)
    return made


def drift(run: StoredRun) -> Figure:
    """What each training came to: error, movement of the space, and what it has to do with the truth."""
    lines = [line for line in run.snapshot.journal if "lesson" in line]
    x = [line["evaluations"] for line in lines]
    panels = {
        "validation error per frame": {"validation_loss": ""},
        "the space before and after": {
            "drift": "displacement",
            "distance_correlation": "correlation\nof distances",
        },
        "correlation with true distances": {"truth_correlation": ""},
    }
    width, left = 1.75, 0.5
    gaps = (0.55, 1.15, 0.2)  # the second panel's curves are named beside it
    made = figure(left + len(panels) * width + sum(gaps), 2.0)
    for column, (title, curves) in enumerate(panels.items()):
        axes = place(made, (left + column * width + sum(gaps[:column]), 0.42, width, 1.25))
        dress(axes, title)
        values = {name: [line["lesson"][name] for line in lines] for name in curves}
        for colour, ys in zip(GROUPS, values.values(), strict=False):
            axes.plot(x, ys, "o-", markersize=3, linewidth=1.2, color=colour)
        evaluations_axis(axes, run.config.campaign.budget)
        axes.set_ylim(
            min(0, *(min(ys) for ys in values.values())),
            1.15 * max(max(ys) for ys in values.values()),
        )
        if any(curves.values()):
            end_labels(
                axes,
                [ys[-1] for ys in values.values()],
                list(curves.values()),
                colours=GROUPS[: len(curves)],
            )
    return made


def main() -> int:
    run = campaign()
    for name, draw in (("frames", reconstructions), ("latent", maps), ("drift", drift)):
        for path in save(draw(run), OUT / f"learned_{name}"):
            if path.suffix == ".svg":
                path.unlink()  # the page shows bitmaps
    lessons = [line["lesson"] for line in run.snapshot.journal if "lesson" in line]
    print(json.dumps({"coverage": run.summary()["coverage"], "lessons": lessons}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
