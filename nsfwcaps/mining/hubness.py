"""Penalties for hubs: safe captions that are close to everything and would be chosen too often.

In high dimensions a few rows, hubs, are among the nearest neighbours of very many queries
(Radovanović et al. 2010). Both penalties measure how close the unsafe captions as a whole are to a
target. A candidate's score is its cosine minus the target's penalty.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from nsfwcaps.runtime.single_precision import single_precision
from nsfwcaps.vectors.exact import Tensor, to_single
from nsfwcaps.vectors.index import Single
from nsfwcaps.vectors.source import Half

_TILE_ROWS = 4096


def csls_penalty(sims: Single) -> npt.NDArray[np.float64]:
    """Half the mean cosine `[t]` of each target to its nearest unsafe captions, from `[t, k]`.

    Cross-domain similarity local scaling is 2·cos − r(u) − r(s) (Conneau et al. 2018, equation 3).
    r(u) is constant over the candidates of one unsafe caption. Half of the rest is cos − r(s) / 2.
    """
    penalty: npt.NDArray[np.float64] = sims.astype(np.float64).mean(axis=1) / 2
    return penalty


def inverted_softmax_penalty(
    targets: Half, unsafe: Iterable[Tensor], beta: float, squared_length: int = 1
) -> npt.NDArray[np.float64]:
    """log-mean-exp `[t]` of each target's cosine to every unsafe caption, at temperature 1/beta.

    The inverted softmax ranks by exp(β·cos) / Σ_u exp(β·cos) (Smith et al. 2017, equation 5). Its
    logarithm divided by β is the cosine minus this penalty, up to a constant.

    `unsafe` yields tiles `[b, d]` in single precision, on the device that computes. Products and
    sums within a tile are in single precision, without TF32. Values depend on the tiles and the
    device by less than 1e-7 from β = 20 on, and by less than 1e-6 at β = 1. Rows of a
    `squared_length` above one are unit rows side by side, compared by the mean of their cosines.
    """
    import torch

    rows = torch.from_numpy(to_single(targets))  # [t, d]
    total = torch.full((len(targets),), -torch.inf, dtype=torch.float64)
    count = 0
    with torch.inference_mode():
        for tile in unsafe:
            rows, total = rows.to(tile.device), total.to(tile.device)
            for start in range(0, len(targets), _TILE_ROWS):
                part = slice(start, start + _TILE_ROWS)
                with single_precision():
                    sims = rows[part] @ tile.T
                sums = torch.logsumexp(sims.mul_(beta / squared_length), dim=1)
                total[part] = torch.logaddexp(total[part], sums.double())
            count += len(tile)
    penalty: npt.NDArray[np.float64] = (total.cpu().numpy() - np.log(count)) / beta
    return penalty
