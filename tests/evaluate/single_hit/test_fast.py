"""The fast network that ships: small, in 8 bits, and nearly as often right as the other on what the card checks."""

import onnx

from evaluate.single_hit.card import checked
from frames.files import sha256
from train.inference.shipped import MODEL, load_twin

FAST = MODEL.with_name("fast.onnx")


def test_its_page_is_of_this_file():
    assert f"sha256 `{sha256(FAST)[:16]}…`" in FAST.with_suffix(".md").read_text(encoding="utf-8")
    assert FAST.stat().st_size < 1e6


def test_it_is_in_8_bits_and_says_what_it_was_trained_on():
    twin = load_twin(FAST)
    assert twin.description.model == "swift"
    assert twin.domain is not None
    operations = [node.op_type for node in onnx.load(FAST).graph.node]
    assert operations.count("QuantizeLinear") >= 7


def test_of_made_up_molecules_that_nobody_learned_from_most_are_right():
    """144 patterns, each alone: more than three quarters, by six standard errors of a coin's 0.04 no coin."""
    assert checked(load_twin(FAST))["accuracy"] > 0.75
