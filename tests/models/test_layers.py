"""Blocks and trunks: shapes, and what must not leak from one window to another."""

import pytest
import torch
from torch import nn

from kinefuse.models.layers import (
    Attention,
    Block,
    FrameTrunk,
    SegmentHead,
    TokenTrunk,
    TrunkConfig,
    blocks,
    in_half,
    make_trunk,
)

FRAMES = TrunkConfig(kind="frames", width=24, depth=2, heads=3)
TOKENS = TrunkConfig(kind="tokens", width=16, depth=2, heads=2)


def normal(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def test_attention_is_pytorchs() -> None:
    """The same numbers as PyTorch's own layer with the same weights."""
    torch.manual_seed(0)
    ours, theirs = Attention(12, 3), nn.MultiheadAttention(12, 3, batch_first=True)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([ours.query.weight, ours.key_value.weight]))
        theirs.in_proj_bias.copy_(torch.cat([ours.query.bias, ours.key_value.bias]))
        theirs.out_proj.load_state_dict(ours.out.state_dict())
    x, other = normal(4, 7, 12), normal(4, 5, 12)
    assert torch.allclose(ours(x), theirs(x, x, x)[0], atol=1e-6)
    assert torch.allclose(ours(x, other), theirs(x, other, other)[0], atol=1e-6)


@pytest.mark.parametrize("config, kind", [(FRAMES, FrameTrunk), (TOKENS, TokenTrunk)])
def test_trunks_have_the_shape_that_they_promise(config: TrunkConfig, kind: type) -> None:
    torch.manual_seed(0)
    trunk = make_trunk(config, 5, 4, 11, 22).eval()
    assert isinstance(trunk, kind)
    out = trunk(normal(2, 11, 5, 4))
    assert out.shape == (2, 11, trunk.out_width)


@pytest.mark.parametrize("config", [FRAMES, TOKENS])
def test_a_window_answers_alike_alone_and_in_company(config: TrunkConfig) -> None:
    torch.manual_seed(0)
    trunk = make_trunk(config, 5, 4, 11, 22).eval()
    x = normal(3, 11, 5, 4)
    assert torch.allclose(trunk(x)[1:2], trunk(x[1:2]), atol=1e-5)


def test_blocks_are_skipped_in_training_only_and_right_on_average() -> None:
    torch.manual_seed(0)
    block = Block(8, 2, 2.0, 0.5)
    step = torch.ones(4000, 3, 8)
    kept = block.train()._kept(step)
    assert set(kept.unique().tolist()) == {0.0, 2.0}
    assert float(kept.mean()) == pytest.approx(1.0, abs=0.1)
    assert torch.equal(block.eval()._kept(step), step)


def test_the_deeper_the_oftener_skipped() -> None:
    shares = [block.drop for block in blocks(TrunkConfig(depth=3, drop=0.2)) if isinstance(block, Block)]
    assert shares == pytest.approx([0.0, 0.1, 0.2])
    assert len(blocks(TrunkConfig(depth=3), depth=1)) == 1


@pytest.mark.parametrize("shared", [True, False])
def test_heads_answer_each_segment(shared: bool) -> None:
    torch.manual_seed(0)
    head = SegmentHead(22 * 4, 22, 6, shared)
    assert head(normal(2, 9, 88)).shape == (2, 9, 22, 6)


def test_a_shared_head_treats_segments_alike() -> None:
    torch.manual_seed(0)
    head = SegmentHead(3 * 4, 3, 6, shared=True)
    features = normal(1, 2, 12)
    swapped = features.unflatten(-1, (3, 4))[:, :, [2, 1, 0]].flatten(2)
    assert torch.allclose(head(swapped), head(features)[:, :, [2, 1, 0]], atol=1e-6)


def test_products_run_in_half_only_where_asked() -> None:
    layer = nn.Linear(4, 4)
    for enabled, dtype in ((True, torch.bfloat16), (False, torch.float32)):
        with in_half(enabled, "cpu"):
            assert layer(normal(2, 4)).dtype == dtype
