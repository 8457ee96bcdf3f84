"""Which frames were seen, in little memory: a bit for each, so that a shift of a hundred million takes tens of MB."""

from screen.stream.frame import FrameId

TRAINS = 4096
"""Trains of one bitmap, of one pulse: 512 bytes"""


class Seen:
    """A set of frames that only grows."""

    def __init__(self) -> None:
        self._bits: dict[tuple[str, str, int, int], bytearray] = {}
        self._n = 0

    def __len__(self) -> int:
        return self._n

    def __contains__(self, id: FrameId) -> bool:
        block, at = divmod(id.train, TRAINS)
        bits = self._bits.get((id.source, id.run, id.pulse, block))
        return bits is not None and bool(bits[at >> 3] >> (at & 7) & 1)

    def add(self, id: FrameId) -> bool:
        """Whether it is new."""
        block, at = divmod(id.train, TRAINS)
        key = (id.source, id.run, id.pulse, block)
        bits = self._bits.get(key)
        if bits is None:
            bits = self._bits[key] = bytearray(TRAINS // 8)
        mask = 1 << (at & 7)
        if bits[at >> 3] & mask:
            return False
        bits[at >> 3] |= mask
        self._n += 1
        return True
