"""Controls that know no embedding are what they say: pixels, total intensity and clusters."""

import numpy as np
import pytest

from evaluate.baselines.feature_controls import CONTROLS, by_clusters, classifiers_of, pixels, total_intensity
from support.made.embedded import patterns
from train.few_shot.classifiers import CLASSIFIERS


def test_controls_are_what_they_say():
    images = np.random.default_rng(0).poisson(2.0, (5, 128, 128)).astype(np.float32)
    np.testing.assert_allclose(np.sinh(total_intensity(images))[:, 0], images.sum(axis=(1, 2)), rtol=1e-5)
    block = images[3, 8:16, 120:128].mean()
    assert np.sinh(pixels(images)[3, 1 * 16 + 15]) / 20 == pytest.approx(block, rel=1e-5)
    for features in CONTROLS.values():
        assert len(features(images)) == 5
    with pytest.raises(ValueError, match="multiple of 16"):
        pixels(images[:, :100])


def test_clusters_are_named_by_what_is_in_them():
    known, about = patterns(200, apart=8.0), patterns(80, seed=5, apart=8.0)
    scores = by_clusters(known.support)(about.embeddings)
    assert ((scores > 0) == about.is_single).mean() > 0.95
    assert list(classifiers_of("spectral_clustering")) == ["clusters"]
    assert list(classifiers_of("late10")) == list(CLASSIFIERS)
