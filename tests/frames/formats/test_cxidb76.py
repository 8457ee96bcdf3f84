"""CXIDB-76: files of its layout, labels, and masks that may not run anything."""

import os
import pickle
import sys
import types
from pathlib import Path

import h5py
import numpy as np
import pytest

from frames.formats.cxidb76 import read_dials, read_expert, read_idh5, read_mask
from frames.formats.open import open_frames
from support.made.crystals import LABELS, needs_labels


def idh5(path: Path, version: str = "idh5_v1.0") -> np.ndarray:
    """A file of three chunks whose keys h5py orders as words: c1, c10, c2."""
    images = np.random.default_rng(0).integers(-5, 4000, (7, 32, 32)).astype(np.int32)
    with h5py.File(path, "w") as file:
        for name, value in {"idh5_version": version, "PIXEL_SIZE": 0.177, "MIN_TRUSTED_VALUE": -1.0}.items():
            file[f"metadata/{name}"] = value
        for name, part in (("c2", images[5:]), ("c1", images[:2]), ("c10", images[2:5])):
            file[f"data/{name}/images"] = part
            file[f"data/{name}/distance"] = np.full(len(part), 123.5)
            file[f"data/{name}/wavelength"] = np.full(len(part), 1.3)
    return images


def test_frames_are_counted_through_the_chunks_as_their_keys_are_ordered(tmp_path: Path) -> None:
    images = idh5(tmp_path / "a.h5")
    frames = read_idh5(tmp_path / "a.h5")
    assert frames.shape == (7, 32, 32)
    assert np.array_equal(frames.fetch(slice(0, 7)), images)
    assert np.array_equal(frames.fetch(slice(1, 6)), images[1:6])
    assert frames.bad is not None
    assert np.array_equal(frames.bad(slice(3, 4)), images[3:4] < -1)
    assert frames.instrument.photon_energy_eV == pytest.approx(9537.2, abs=0.1)
    assert frames.instrument.pixel_size_um == pytest.approx(177)


def test_another_version_is_refused(tmp_path: Path) -> None:
    idh5(tmp_path / "a.h5", "idh5_v2.0")
    with pytest.raises(ValueError, match=r"version 'idh5_v2.0', expected 'idh5_v1.0'"):
        read_idh5(tmp_path / "a.h5")


@needs_labels
@pytest.mark.parametrize(
    ("name", "counts", "accuracy"),
    [("LN83", (1591, 63, 346), 0.970), ("LN84", (1062, 132, 806), 0.857), ("LO19", (1119, 151, 730), 0.914)],
)
def test_dials_agrees_with_experts_as_was_published(name: str, counts: tuple, accuracy: float) -> None:
    expert = read_expert(LABELS / f"{name}_expert.txt", 2000)
    dials = read_dials(LABELS / f"{name}_dials.txt", 2000)
    assert tuple(np.bincount(expert)) == counts
    assert ((expert > 0) == dials["hit"]).mean() == pytest.approx(accuracy, abs=0.0006)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a.h5 [1] HIT\na.h5 [2] PERHAPS\n", "line 2"),
        ("a.h5 [1] HIT\na.h5 [1] MISS\n", "there twice"),
        ("a.h5 [1] HIT\na.h5 [3] MISS\n", "another file's"),
    ],
)
def test_labels_that_do_not_fit_are_told(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text(text)
    with pytest.raises(ValueError, match=said):
        read_expert(tmp_path / "labels.txt")


def flex(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """A stand-in of cctbx's module, whose objects are pickled as cctbx pickles them."""
    module = types.ModuleType("scitbx_array_family_flex_ext")

    class Grid:
        def __init__(self, *sizes: tuple) -> None:
            self.sizes = sizes

        def __reduce__(self) -> tuple:
            return Grid, self.sizes

    class Bool:
        def __init__(self, values: np.ndarray | None = None) -> None:
            self.values = values

        def __reduce__(self) -> tuple:
            assert self.values is not None
            ones = "".join("1" if value else "0" for value in self.values.ravel())
            return Bool, (), (Grid(self.values.shape), "\x02\x10\x00" + ones)

    for kind, name in ((Grid, "grid"), (Bool, "bool")):
        kind.__module__, kind.__qualname__, kind.__name__ = module.__name__, name, name
        setattr(module, name, kind)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return module


def test_masks_of_cctbx_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module, good = flex(monkeypatch), np.random.default_rng(1).random((12, 9)) > 0.3
    for protocol in (1, 2):
        (tmp_path / "mask.pickle").write_bytes(pickle.dumps((module.bool(good), module.bool(~good)), protocol))
        first, second = read_mask(tmp_path / "mask.pickle")
        assert np.array_equal(first, good)
        assert np.array_equal(second, ~good)


class Hostile:
    """Runs something when it is unpickled."""

    def __reduce__(self) -> tuple:
        return os.system, ("touch was-here",)


@pytest.mark.parametrize(
    "content",
    [
        pickle.dumps(Hostile()),
        pickle.dumps((np.zeros(3), Hostile())),
        pickle.dumps(np.zeros(3)),
        b'cbuiltins\neval\n(S\'open("was-here","w")\'\ntR.',
        b"cscitbx_array_family_flex_ext\n__builtins__\n.",
        b"cscitbx_array_family_flex_ext\nbool\n(S'x'\ntR.",
        b"Pwas-here\n.",
        b"not a pickle",
        b"",
    ],
)
def test_nothing_else_is_unpickled(content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mask.pickle").write_bytes(content)
    with pytest.raises(ValueError, match=r"mask\.pickle"):
        read_mask("mask.pickle")
    assert not Path("was-here").exists()


@pytest.mark.parametrize("kept", ["datasets", "attributes"])
def test_a_deposited_file_is_opened_as_any_other(kept: str, tmp_path: Path) -> None:
    images = idh5(tmp_path / "a.h5")
    if kept == "attributes":
        with h5py.File(tmp_path / "a.h5", "a") as file:
            said = {name: value[()] for name, value in file["metadata"].items()}
            del file["metadata"]
            file.create_group("metadata").attrs.update(said)
    frames = open_frames(tmp_path / "a.h5")
    assert np.array_equal(frames.read(slice(0, 7)), np.where(images < -1, 0, images))
