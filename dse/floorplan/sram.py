"""The memory model: width and height of an SRAM macro from its capacity and word, and where its pins are.

The area is that of `dse.model.technology`: bit cells times the overhead of decoders, ports and queues, so that the
macros of a design add up to its area.  The shape follows from the array of bit cells.  A macro of N words of B bits
has a column multiplexer of 1, 2, 4, ..., so B × multiplexer columns and N / multiplexer rows; the multiplexer whose
array is most nearly square is taken.  A cell is twice as wide as it is high (the thin cell of all nodes from 90 nm on;
its ratio is an assumption, accurate to a third).  Words too wide for their number are folded, so that no macro is
longer than MAX_ASPECT times its width.

A macro has two ports: the pins towards the array are on its bottom edge, those towards DRAM on its top edge, which
serve the two halves of a double buffer at the same time.  Addresses arrive in the middle of the left edge.  A pin
stands for the bus of one net, whose weight is the number of its bits.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, log, log2, sqrt

from dse.model.technology import SRAM_OVER_CELLS

CELL_ASPECT = 2.0  # width over height of a bit cell
MULTIPLEXERS = (1, 2, 4, 8, 16, 32)  # words that share a row of the array
MAX_ASPECT = 4.0  # longest side of a macro over its shortest
EDGE = 0.8  # fraction of an edge along which pins are spread


@dataclass(frozen=True)
class Sram:
    """One SRAM macro."""

    size_bytes: float
    word_bits: int
    cell_um2: float  # of the technology

    @property
    def words(self) -> float:
        """Number of words."""
        return 8 * self.size_bytes / self.word_bits

    @property
    def address_bits(self) -> int:
        """Bits that select a word."""
        return max(1, ceil(log2(max(self.words, 2))))

    @property
    def area_um2(self) -> float:
        """Area in µm², as in `dse.model.technology.area_mm2`."""
        return 8 * self.size_bytes * self.cell_um2 * SRAM_OVER_CELLS

    @property
    def aspect(self) -> float:
        """Width over height."""
        ratios = [CELL_ASPECT * self.word_bits * mux / (self.words / mux) for mux in MULTIPLEXERS]
        nearest = min(ratios, key=lambda ratio: abs(log(ratio)))
        return min(max(nearest, 1 / MAX_ASPECT), MAX_ASPECT)

    @property
    def size_um(self) -> tuple[float, float]:
        """Width and height in µm."""
        height = sqrt(self.area_um2 / self.aspect)
        return self.area_um2 / height, height
