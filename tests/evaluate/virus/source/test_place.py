"""The beam lies where |q| is least, whichever of the two orders asks for it."""

import numpy as np
import pytest
import yaml

from evaluate.virus.experiment import load_config
from evaluate.virus.source.place import place_of


@pytest.mark.parametrize("geometry", ["roi", "binned"])
def test_the_beam_is_where_nothing_is_scattered_to(geometry: str) -> None:
    with open("config/pr772-small.yaml") as stream:
        mapping = yaml.safe_load(stream)
    mapping["virus"]["simulation"]["detector"] = {"geometry": geometry}
    place = place_of(load_config(mapping))
    q = np.linalg.norm(place.geometry.q, axis=-1)
    y, x = np.indices(q.shape)
    row, column = place.row_column
    # |q| rises with the distance to the beam: a beam that is a pixel off breaks the order
    order = np.argsort(np.hypot(y - row, x - column), axis=None, kind="stable")
    assert (np.diff(q.ravel()[order]) > -1e-9).all()
    assert place.xy == (column, row)
