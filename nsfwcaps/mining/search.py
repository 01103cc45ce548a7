"""The two passes over the vectors, block by block: candidates, and weights of targets."""

from __future__ import annotations

import math
from functools import partial

from nsfwcaps.mining.candidates import Candidates, Find, spans
from nsfwcaps.mining.memo import Memo
from nsfwcaps.mining.space import Space
from nsfwcaps.mining.targets import TargetWeights, Weighing, target_blocks, targets_among, unweighed
from nsfwcaps.progress import Progress


def find_candidates(
    space: Space, depth: int, find: Find, *, memo: Memo, progress: Progress
) -> Candidates:
    """Search every block of unsafe rows that has not been searched yet."""
    # Every block of unsafe rows scans all safe rows; progress counts the safe rows.
    total = math.ceil(space.unsafe.rows / space.blocks(depth).queries) * space.safe.rows
    with progress.task("mine: search", total) as advance:
        for start, stop in spans(space, depth):
            if not memo.find(start, stop, partial(find, start, stop, advance)):
                advance(space.safe.rows)
    return memo.candidates()


def weigh_targets(
    space: Space, candidates: Candidates, weighing: Weighing, *, memo: Memo, progress: Progress
) -> TargetWeights:
    """Weigh every candidate target by its similarity to the unsafe rows."""
    weighed = unweighed(space.safe.rows)
    if not weighing.looks_back:
        return weighed
    rows = targets_among(candidates, space.safe.rows)
    with progress.task("mine: hubness", len(rows)) as advance:
        for start, part in target_blocks(rows):
            weights = memo.weigh(start, part, partial(weighing.weigh, space, part))
            weighed.penalty[part], weighed.reach[part] = weights
            advance(len(part))
    return weighed
