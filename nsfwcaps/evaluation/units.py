"""Resampling units: queries that share a target, a picture or a caption vary together.

Field and Welsh, "Bootstrapping clustered data" (J. R. Statist. Soc. B 69, 2007): resample whole
clusters, else the interval of the mean is too short.
"""

from __future__ import annotations

import numpy as np

from nsfwcaps.captions.splits import groups
from nsfwcaps.evaluation.inputs import MISSING
from nsfwcaps.metrics.answer_sets import Rows


def units_of(*columns: Rows) -> Rows:
    """Return the unit `[n]` of each row: rows with an equal item in any column `[n]` share it.

    So do rows that are linked by others in between. `MISSING` equals nothing. Units are numbered
    from 0 in order of their first row.

    >>> import numpy as np
    >>> units_of(np.array([5, 6, 6, 7]), np.array([0, 0, 1, 2])).tolist()
    [0, 0, 0, 1]
    """
    count = len(columns[0])
    left, right, nodes = [], [], count
    for column in columns:
        items, number = np.unique(column, return_inverse=True)
        there = np.flatnonzero(column != MISSING)
        left.append(there)
        right.append(nodes + number[there])
        nodes += len(items)
    of_node = groups(nodes, np.concatenate(left), np.concatenate(right))[:count]
    _, first, number = np.unique(of_node, return_index=True, return_inverse=True)
    return np.asarray(np.argsort(np.argsort(first))[number], dtype=np.int64)
