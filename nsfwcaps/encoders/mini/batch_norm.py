"""BatchNorm that stays as it was trained, whatever mode its model is in."""

from __future__ import annotations

from typing import Any

from timm.layers.norm_act import BatchNormAct2d


class FrozenBatchNormAct2d(BatchNormAct2d):
    """timm's BatchNorm and activation, always in evaluation mode.

    In training mode statistics drift with the batches, and a frozen reference would soon differ
    from the model it was copied from. Statistics, affine weights and their names in the state
    dict are those of the layer it was, so checkpoints load in both directions; timm's own frozen
    layer drops `num_batches_tracked` and turns the affine weights into buffers.
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
