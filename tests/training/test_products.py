"""Products of a stack in float32 and in bf16."""

from __future__ import annotations

import pytest
import torch

from actbench.training.products import multiply, products_in


def test_bf16_multiplies_rounded_factors_and_sums_in_float32_on_every_processor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    generator = torch.Generator().manual_seed(0)
    left = torch.randn(2, 32, 64, generator=generator)
    right = torch.randn(2, 64, 32, generator=generator)
    rounded = left.bfloat16().double() @ right.bfloat16().double()
    with products_in("bf16"):
        torch.testing.assert_close(multiply(left, right).double(), rounded, rtol=1e-6, atol=1e-5)
        monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: False)
        torch.testing.assert_close(multiply(left, right).double(), rounded, rtol=1e-6, atol=1e-5)
    exact = left.double() @ right.double()
    torch.testing.assert_close(multiply(left, right).double(), exact, rtol=1e-6, atol=1e-5)
    assert (rounded - exact).abs().max() > 1e-3
