from __future__ import annotations

import torch

from clfa.modeling.projection import ProjectionMLP


def test_is_linear_relu_linear() -> None:
    torch.manual_seed(0)
    mlp = ProjectionMLP(5, 7, 3).double().eval()
    features = torch.randn(2, 4, 5, dtype=torch.float64)
    inner = (features @ mlp.fc1.weight.T + mlp.fc1.bias).clamp(min=0)
    torch.testing.assert_close(mlp(features), inner @ mlp.fc2.weight.T + mlp.fc2.bias, rtol=0, atol=1e-12)
    assert mlp(features).shape == (2, 4, 3)
    assert mlp(features[0, 0]).shape == (3,)


def test_the_papers_has_no_dropout_and_no_norm() -> None:
    torch.manual_seed(0)
    mlp = ProjectionMLP(5, 7, 3).train()
    features = torch.randn(2, 5)
    assert torch.equal(mlp(features), mlp(features))
    assert {name for name, _ in mlp.named_parameters()} == {"fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"}


def test_layer_norm_makes_scale_and_shift_of_the_features_irrelevant() -> None:
    torch.manual_seed(0)
    mlp = ProjectionMLP(5, 7, 3, layer_norm=True).double().eval()
    features = torch.randn(2, 5, dtype=torch.float64)
    torch.testing.assert_close(mlp(features), mlp(40 * features + 3), rtol=0, atol=1e-4)
    plain = ProjectionMLP(5, 7, 3).double()
    assert (plain(features) - plain(40 * features + 3)).abs().max() > 1


def test_dropout_is_on_the_incoming_features_in_training_only() -> None:
    torch.manual_seed(0)
    mlp = ProjectionMLP(5, 7, 3, dropout=1.0)
    features = torch.randn(2, 5)
    assert torch.equal(mlp.train()(features), mlp(torch.zeros(2, 5)))
    assert not torch.equal(mlp.eval()(features), mlp(torch.zeros(2, 5)))
