"""BatchNorm frozen in its trained state, whatever the model's mode."""

from __future__ import annotations

from typing import Any

from timm.layers.norm_act import BatchNormAct2d


class FrozenBatchNormAct2d(BatchNormAct2d):
    """timm's BatchNorm with activation, always in evaluation mode.

    In training mode the statistics drift with the batches, and a frozen reference would soon differ
    from the model it was copied from. Statistics, affine weights and state-dict names stay those of
    the original layer, so checkpoints load in both directions. timm's own frozen layer drops
    `num_batches_tracked` and turns the affine weights into buffers.
    """

    def train(self, mode: bool = True) -> FrozenBatchNormAct2d:
        """Stay in evaluation mode."""
        super().train(False)
        return self


def freeze_batch_norm(module: Any) -> None:
    """Freeze every timm BatchNorm inside a torch module, in place."""
    for layer in module.modules():
        if type(layer) is BatchNormAct2d:
            layer.__class__ = FrozenBatchNormAct2d
            layer.eval()
