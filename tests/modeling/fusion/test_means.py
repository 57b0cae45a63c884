from __future__ import annotations

import numpy as np
import torch

from clfa.modeling.fusion.means import stream_means

from .parts import WIDTH, assert_close, make_streams, mean, samples


def test_values() -> None:
    streams = make_streams()
    means = stream_means(streams, ("image", "text", "knowledge"))
    expected = [[mean(tokens) for tokens in samples(streams[name])] for name in ("image", "text", "knowledge")]
    assert_close(means.hidden, np.stack(expected, axis=1))
    assert means.mask is not None
    assert means.mask.tolist() == [[True, True, True], [True, True, True], [True, True, False]]


def test_a_stream_that_the_batch_lacks_counts_as_zeros() -> None:
    means = stream_means(make_streams("text"), ("text", "knowledge"))
    assert means.hidden.shape == (3, 2, WIDTH)
    assert torch.equal(means.hidden[:, 1], torch.zeros(3, WIDTH, dtype=torch.float64))
    assert means.mask is not None
    assert means.mask.tolist() == [[True, False]] * 3
