"""Read SCALE-Sim topologies: CSV files of convolutions or of matrix products.

    Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, Strides,
    Conv1, 224, 224, 11, 11, 3, 96, 4,

    Layer, M, N, K,
    Query, 128, 768, 768,

Numbers after these (sparsity ratios) are ignored.  SCALE-Sim pads nothing and rounds the size of the output up:
ceil((height - kernel + stride) / stride); padding at the bottom and at the right gives the same size here.  A product
of M × K and K × N is a 1 × 1 convolution of a map of one column with M rows, K channels and N filters.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from dse.workloads.layers import MOST_DIGITS, Kind, Layer, Network, is_size, make_layer
from netlists.errors import DesignError
from netlists.runtime.stored_files import read_bytes

# Columns of a file after the name of the layer.
CONVOLUTION = ("height", "width", "kernel height", "kernel width", "channels", "filters", "stride")
PRODUCT = ("M", "N", "K")
MAX_BYTES = 1_000_000  # of a file; the largest networks have some hundred layers
QUOTED = 40  # most characters of a file in a message


def load_topology(file: str | Path) -> Network:
    """The network of a topology file; raises `DesignError` that names file and line if it is not one."""
    try:
        text = io.StringIO(read_bytes(file, MAX_BYTES).decode("utf-8-sig"), newline="")
        lines = [(number, [cell.strip() for cell in row]) for number, row in enumerate(csv.reader(text), start=1)]
    except (OSError, ValueError, csv.Error) as error:
        raise DesignError(f"{file}: cannot be read ({error}); expected a SCALE-Sim topology in CSV format") from None
    lines = [(number, row) for number, row in lines if any(row)]
    if not lines:
        raise DesignError(f"{file}: no line with a layer; expected a SCALE-Sim topology in CSV format")
    fields = PRODUCT if [cell.upper() for cell in lines[0][1][1:4]] == list(PRODUCT) else CONVOLUTION
    layers = [_layer(f"{file}, line {number}", row, fields) for number, row in lines[1:]]
    if not layers:
        raise DesignError(f"{file}: no layer after the heading; expected one line per layer")
    return Network(Path(file).stem, tuple(layers))


def scalesim_layer(name: str, sizes: Sequence[int]) -> Layer:
    """The convolution with sizes in the order of `CONVOLUTION`; raises `DesignError` if they do not form a layer."""
    height, width, high, wide, channels, filters, stride = sizes
    return make_layer(
        name=name, kind=Kind.CONV, in_channels=channels, out_channels=filters, in_h=height, in_w=width,
        kernel_h=high, kernel_w=wide, stride_h=stride, stride_w=stride,
        pad_bottom=(high - height) % max(stride, 1), pad_right=(wide - width) % max(stride, 1),
    )  # fmt: skip


def product_layer(name: str, sizes: Sequence[int]) -> Layer:
    """The matrix product with sizes in the order of `PRODUCT`; raises `DesignError` if they do not form a layer."""
    rows, columns, inner = sizes
    return make_layer(name=name, kind=Kind.FC, in_channels=inner, out_channels=columns, in_h=rows)


def _layer(where: str, row: list[str], fields: tuple[str, ...]) -> Layer:
    name, numbers = row[0], row[1 : 1 + len(fields)]
    if len(numbers) < len(fields):
        raise DesignError(f"{where}: {len(numbers)} numbers after the name; expected {', '.join(fields)}")
    sizes = []
    for field, text in zip(fields, numbers, strict=True):
        if not is_size(text) or int(text) < 1:
            raise DesignError(f"{where}: {field} is {text[:QUOTED]!r}; expected a whole number of at least 1, "
                              f"of at most {MOST_DIGITS} digits")  # fmt: skip
        sizes.append(int(text))
    try:
        if fields == CONVOLUTION:
            return scalesim_layer(name, sizes)
        return product_layer(name, sizes)
    except DesignError as error:
        raise DesignError(f"{where}: {error}") from None
