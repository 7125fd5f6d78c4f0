"""What activity costs: energy, area and wires of ASIC nodes and FPGA fabrics, each constant with its source.

Energy is a price per count of `dse.templates.base.Count`; nothing here depends on layers.  The anchors, and the rules
between them:

- Arithmetic, 45 nm, 0.9 V (Horowitz, ISSCC 2014, "Computing's energy problem", table of operations): multiplication
  8 bit 0.2 pJ, 32 bit 3.1 pJ, so 0.0031 pJ per bit × bit within 1%; addition 8 bit 0.03 pJ, 32 bit 0.1 pJ, so
  0.0034 pJ per bit within 10%; fp32 3.7 and 0.9 pJ.
- SRAM, 45 nm (same table, 64 bits of a cache): 8 KB 10 pJ, 32 KB 20 pJ, 1 MB 100 pJ: 10 pJ × (KB/8)^0.475, within 4%.
- 7 nm (Jouppi et al., ISCA 2021, "Ten lessons", table 2, the same rows as Horowitz's): int8 multiplication 0.07 pJ,
  int32 1.48, addition 0.007 and 0.03, fp32 1.31 and 0.38: 0.35 of 45 nm in the geometric mean; SRAM 8 KB 7.5 pJ,
  32 KB 8.5, 1 MB 14: 7.5 pJ × (KB/8)^0.129, within 6%; DDR3/4 as before.
- Between 45 and 7 nm prices follow a power law of the node through both anchors.  Stillmaker and Baas (Integration 58,
  2017) predict one sixth of that for 7 nm from SPICE alone; the published table of real circuits is taken instead.
- From 45 nm 0.9 V to 65 nm 1.0 V arithmetic, SRAM and registers cost 1.58 times as much (Stillmaker and Baas, energy
  polynomials of both nodes at these voltages).
- DRAM: 20 pJ per bit (Horowitz: 1300 pJ for 64 bits, DDR3, low end; Jouppi: the same at 7 nm).
- Wires: 240 fJ for a transition of one bit over 1 mm at 40 nm and 0.9 V, and half the bits change (Keckler et al., IEEE
  Micro 31(5), 2011), so 0.12 pJ; proportional to the square of the supply.
- Below 7 nm: the foundry's 30% less power at the same speed from 7 to 5 nm (TSMC N5, WikiChip's summary of IEDM 2019
  and ISSCC 2020: 1.84 times the logic density, SRAM cell of 0.021 µm²) for arithmetic, registers and flip-flops; SRAM
  follows its cell, 0.78 of 7 nm.  A foundry's claim, not measured circuits: accurate to 20%.
- HBM2: 3.9 pJ per bit (O'Connor et al., MICRO 2017, "Fine-grained DRAM"; recalled, not looked up).
- Area: multiplier 282 µm² (8 bit) and 3495 µm² (32 bit) at 45 nm, adder 36 and 137 µm² (Dally, NIPS 2015 tutorial);
  other nodes by the areas of Stillmaker and Baas, table 1; bit cells as the foundries published them.

With these, the ratios of Eyeriss at 65 nm (ISCA 2016, table IV; a 16-bit access over a 16-bit MAC: register 1,
hop 2, global buffer 6, DRAM 200) are met within 30%, which the tests check.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numba import njit

from dse.templates.base import (
    ADD,
    BUFFER_INPUT,
    BYTES_PER_KIB,
    CLOCK_MHZ,
    COMPUTE,
    COUNTS,
    DRAM_INPUT,
    FILL,
    INPUT_BITS,
    MULTIPLY,
    NETWORK_INPUT,
    PSUM_BITS,
    REGISTER_INPUT,
    STALL,
    WEIGHT_BITS,
    Floats,
    Hardware,
)
from netlists.errors import DesignError, did_you_mean

MULTIPLY_PJ = 0.0031  # pJ per bit × bit of a multiplication, 45 nm
ADD_PJ = 0.0034  # pJ per bit of an addition, 45 nm
FLOAT_MULTIPLY = 3.7 / 3.1  # energy of fp32 over int32 multiplication (Horowitz)
FLOAT_ADD = 0.9 / 0.1  # energy of fp32 over int32 addition (Horowitz)
SRAM_KB = 8.0  # KiB of the memory that the next two hold for
SRAM_PJ_45NM = 10 / 64  # pJ per bit, 45 nm
SRAM_PJ_7NM = 7.5 / 64  # pJ per bit, 7 nm
SRAM_EXPONENT_45NM = 0.475  # growth of the energy with capacity, 45 nm
SRAM_EXPONENT_7NM = 0.129  # growth of the energy with capacity, 7 nm
OPERATION_7NM = 0.35  # energy of arithmetic and registers at 7 nm over that at 45 nm
OPERATION_5NM = 0.70  # energy of arithmetic and registers at 5 nm over that at 7 nm
SRAM_5NM = 0.78  # energy of SRAM at 5 nm over that at 7 nm
STILLMAKER_65NM = 1.58  # energy at 65 over 45 nm: 3.755 - 4.398 + 1.975 at 1.0 V over 1.103·0.81 - 0.362·0.9 + 0.2767
DRAM_PJ = 20.0  # pJ per bit
HBM_PJ = 3.9  # pJ per bit
WIRE_PJ = 0.12  # pJ per bit and mm at WIRE_VOLT
WIRE_VOLT = 0.9  # V

# Delay of a long wire with repeaters: 1.67 sqrt(FO4 · R · C) per length (Weste and Harris, CMOS VLSI Design, 4th ed.,
# section 6.4.2; recalled, not looked up).  R and C are those of a wire of 360 nm pitch, 180 nm wide and 324 nm thick
# (M6 of Intel's 45 nm process; copper with its liner, 25 nΩm), which later nodes keep for long wires: 430 Ω and 0.2 pF
# per mm in all nodes.  A fan-out-of-4 inverter takes 0.5 ps per nm of gate length (Ho, Mai, Horowitz, "The future of
# wires", Proc. IEEE 89(4), 2001; the slow corner).  74 ps per mm at 45 nm: accurate to a factor of 2.
REPEATED_WIRE = 1.67  # over the geometric mean of both delays
WIRE_OHM_MM = 430.0  # Ω per mm
WIRE_PF_MM = 0.2  # pF per mm
FO4_PS_NM = 0.5  # ps per nm of the node

# A hop between neighboring units drives the wire over one pitch and passes a FIFO and a multicast controller.
# Eyeriss's 2 MACs for 16 bits over its pitch of 0.27 mm (12.25 mm² for 168 elements) are 4.2 times the bare wire.
HOP_OVER_WIRE = 4.2  # energy of a hop over that of the wire over one pitch

# Energy of one flip-flop per cycle when its data rests: about 3 fJ in its clock inverters (open 45 nm cell libraries,
# smallest flip-flop) and nearly as much again for its part of the clock tree.  A round estimate, not a measurement,
# chosen with regard to Eyeriss's power, which it dominates.
FLIPFLOP_PJ = 0.005  # pJ per cycle, 45 nm
FLIPFLOP_UM2 = 4.5  # µm², 45 nm, smallest flip-flop of the Nangate open cell library
FLIPFLOP_FILE_BYTES = 64.0  # larger register files are SRAM or latches (Eyeriss: 24 B and 48 B flip-flops, 448 B SRAM)

MULTIPLIER_UM2 = 3.8  # µm² per bit × bit, 45 nm: within 14% of 282 µm² (8 bit) and 3495 µm² (32 bit)
ADDER_UM2 = 4.4  # µm² per bit, 45 nm
# Area of a core over its bare operators and flip-flops, and over its bare bit cells: control, network, rounding and
# activation units, routing; decoders, ports and the queues around each memory.  Calibrated together on five published
# cores: NVDLA's three sizes (5.5, 2.3, 0.91 mm², 28 nm), Eyeriss (12.25 mm², 65 nm), DianNao (3.02 mm², 65 nm), for
# which the errors are +1, +1, +9, -23 and +16%.
LOGIC_OVERHEAD = 4.0  # over operators and flip-flops
SRAM_OVER_CELLS = 7.0  # over bit cells

# Dynamic energy of an FPGA over an ASIC of the same node if hard multipliers and memories are used (Kuon and Rose,
# IEEE TCAD 26(2), 2007, table: 7.1 with both, 14 for logic alone).  A block RAM is itself a hard memory; only its
# programmable ports and routing are added, for which 2 is assumed.  This is the power of the part and of its DRAM
# transfers; a board draws several times as much (processor, idle memory and its refresh, regulators, fans).
FPGA_OPERATION = 7.1  # with hard multipliers
FPGA_LOGIC = 14.0  # logic alone
FPGA_MEMORY = 2.0  # block RAM


@dataclass(frozen=True)
class Law:
    """Energy per bit of a memory: a power law of its size."""

    pj: float  # pJ per bit at SRAM_KB
    exponent: float

    def at(self, size_bytes: Floats) -> Floats:
        """Energy per bit in pJ of memories of these sizes [N] in bytes."""
        return np.asarray(self.pj * (size_bytes / BYTES_PER_KIB / SRAM_KB) ** self.exponent)


@dataclass(frozen=True)
class Energies:
    """Known energies of a node, each in place of the scaled one; None: scaled."""

    multiply_pj: float | None = None  # per bit × bit
    add_pj: float | None = None  # per bit
    flipflop_pj: float | None = None  # per cycle
    wire_pj_mm: float | None = None  # per bit and mm
    sram: Law | None = None
    register: Law | None = None


@dataclass(frozen=True)
class Technology:
    """One ASIC node, or the fabric of one FPGA."""

    name: str
    node_nm: float
    volt: float  # supply
    area_over_45nm: float  # of logic, over that at 45 nm
    cell_um2: float  # SRAM bit cell
    leakage_mw_mm2: float
    static_mw: float = 0.0  # of an FPGA, used or not
    fpga: bool = False
    dram_pj: float = DRAM_PJ  # per bit of off-chip memory
    known: Energies = field(default_factory=Energies)

    @property
    def operation(self) -> float:
        """Energy of arithmetic and registers over that at 45 nm."""
        return _over_45nm(self.node_nm, OPERATION_7NM, OPERATION_5NM)

    @property
    def multiply_pj(self) -> float:
        """Energy of one bit × bit of a multiplication, pJ."""
        gap = FPGA_OPERATION if self.fpga else 1.0
        return gap * self.operation * MULTIPLY_PJ if self.known.multiply_pj is None else self.known.multiply_pj

    @property
    def add_pj(self) -> float:
        """Energy of one bit of an addition, pJ."""
        gap = FPGA_OPERATION if self.fpga else 1.0
        return gap * self.operation * ADD_PJ if self.known.add_pj is None else self.known.add_pj

    @property
    def flipflop_pj(self) -> float:
        """Energy of one flip-flop in one cycle, pJ."""
        gap = FPGA_LOGIC if self.fpga else 1.0
        return gap * self.operation * FLIPFLOP_PJ if self.known.flipflop_pj is None else self.known.flipflop_pj

    def sram_pj(self, size_bytes: Floats) -> Floats:
        """Energy in pJ of one bit read from or written to SRAM of these sizes [N]; 0 for size 0."""
        gap = FPGA_MEMORY if self.fpga else 1.0
        return np.asarray(gap * (self.known.sram or scaled_sram(self.node_nm)).at(size_bytes))

    def register_pj(self, size_bytes: Floats) -> Floats:
        """Energy in pJ of one bit of register files of these sizes [N]: the law of SRAM at 45 nm, scaled as logic."""
        gap = FPGA_MEMORY if self.fpga else 1.0
        return np.asarray(gap * (self.known.register or scaled_register(self.node_nm)).at(size_bytes))

    @property
    def wire_pj_mm(self) -> float:
        """Energy of one bit over 1 mm, pJ."""
        scaled = WIRE_PJ * (self.volt / WIRE_VOLT) ** 2
        return scaled if self.known.wire_pj_mm is None else self.known.wire_pj_mm

    @property
    def wire_ps_mm(self) -> float:
        """Delay of a wire with repeaters over 1 mm, ps."""
        return REPEATED_WIRE * float(np.sqrt(FO4_PS_NM * self.node_nm * WIRE_OHM_MM * WIRE_PF_MM))


def scaled_sram(node_nm: float) -> Law:
    """The law of SRAM of a node, from those at 45 and 7 nm."""
    fraction = min(max(_fraction_to_7nm(node_nm), 0.0), 1.0)
    pj = SRAM_PJ_45NM * _over_45nm(node_nm, SRAM_PJ_7NM / SRAM_PJ_45NM, SRAM_5NM)
    return Law(pj, SRAM_EXPONENT_45NM + (SRAM_EXPONENT_7NM - SRAM_EXPONENT_45NM) * fraction)


def scaled_register(node_nm: float) -> Law:
    """The law of register files of a node."""
    return Law(_over_45nm(node_nm, OPERATION_7NM, OPERATION_5NM) * SRAM_PJ_45NM, SRAM_EXPONENT_45NM)


def _over_45nm(node_nm: float, at_7nm: float, from_7_to_5nm: float) -> float:
    """An energy over that at 45 nm: powers of the node through 5, 7, 45 and 65 nm and beyond."""
    if node_nm > 45:
        return float(STILLMAKER_65NM ** (np.log(node_nm / 45) / np.log(65 / 45)))
    if node_nm < 7:
        return float(at_7nm * from_7_to_5nm ** (np.log(7 / node_nm) / np.log(7 / 5)))
    return float(at_7nm ** _fraction_to_7nm(node_nm))


def _fraction_to_7nm(node_nm: float) -> float:
    """Position of a node between 45 nm (0) and 7 nm (1), on a logarithmic scale."""
    return float(np.log(45 / node_nm) / np.log(45 / 7))


# Supplies: Eyeriss (65 nm), Horowitz (45 nm), the foundries' nominal ones.  Areas: Stillmaker and Baas, table 1, 28 nm
# between its 32 and 20 nm, 22 nm between 28 and 16 nm; 5 nm is 7 nm over N5's 1.84.  SRAM cells: 22 nm Intel's of high
# density (0.092 µm², IDF 2009), 5 nm TSMC's (0.021 µm², IEDM 2019).  Leakage is an assumption, accurate to a factor of
# 3: low-power libraries at room temperature; TPU v1 idles at 28 W on at most 331 mm² of 28 nm (ISCA 2017), 85 mW/mm²
# with its clocks, which is an upper bound.
_ASIC = {
    technology.name: technology
    for technology in (
        Technology("65nm", 65, 1.0, 1.5, 0.525, 2.0),
        Technology("45nm", 45, 0.9, 1.0, 0.299, 5.0),
        Technology("28nm", 28, 0.9, 0.37, 0.127, 10.0),
        Technology("22nm", 22, 0.8, 0.28, 0.092, 10.0),
        Technology("16nm", 16, 0.8, 0.19, 0.070, 10.0),
        Technology("7nm", 7, 0.7, 0.059, 0.027, 15.0),
        Technology("5nm", 5, 0.7, 0.032, 0.021, 15.0),
    )
}
NODES_NM = (3.0, 180.0)  # smallest and largest node of `scaled_node`, which extrapolates beyond its anchors


def scaled_node(name: str, node_nm: float) -> Technology:
    """A node between or beyond the built-in ones: supply, areas and leakage by power laws between its neighbors."""
    known = sorted(_ASIC.values(), key=lambda one: one.node_nm)
    above = min(max(int(np.searchsorted([one.node_nm for one in known], node_nm)), 1), len(known) - 1)
    low, high = known[above - 1], known[above]
    fraction = float(np.log(node_nm / low.node_nm) / np.log(high.node_nm / low.node_nm))

    def between(quantity: str) -> float:
        first, second = getattr(low, quantity), getattr(high, quantity)
        return float(first * (second / first) ** fraction)

    areas = between("area_over_45nm"), between("cell_um2")
    return Technology(name, node_nm, between("volt"), *areas, between("leakage_mw_mm2"))


def fabric(name: str, node_nm: float, volt: float, static_mw: float, dram_pj: float = DRAM_PJ) -> Technology:
    """The fabric of an FPGA part."""
    return Technology(name, node_nm, volt, 0.0, 0.0, 0.0, static_mw, True, dram_pj)


# Fabrics have the name of their part.  Static power: typical values of the vendors' power estimators, accurate to a
# factor of 2.
_FPGA = {
    one.name: one
    for one in (
        fabric("VX485T", 28, 1.0, 350.0),
        fabric("XC7Z020", 28, 1.0, 120.0),
        fabric("XC7Z045", 28, 1.0, 250.0),
        fabric("KU060", 20, 0.95, 600.0),
        fabric("VX690T", 28, 1.0, 450.0),
        fabric("ZU3EG", 16, 0.85, 300.0),
        fabric("ZU7EV", 16, 0.85, 600.0),
        fabric("ZU9EG", 16, 0.85, 700.0),
        fabric("K26", 16, 0.85, 350.0),
        fabric("VU9P", 16, 0.85, 3000.0),
        fabric("U50", 16, 0.85, 3000.0, HBM_PJ),
        fabric("U200", 16, 0.85, 3000.0),
        fabric("U250", 16, 0.85, 4500.0),
        fabric("U280", 16, 0.85, 4000.0, HBM_PJ),
        fabric("VCK190", 7, 0.80, 4000.0),
        fabric("GX1150", 20, 0.9, 2000.0),
    )
}
TECHNOLOGIES = _ASIC | _FPGA


def technology(name: str) -> Technology:
    """The technology of that name (`65nm`, ..., or an FPGA part); raises `DesignError` if there is none."""
    if name not in TECHNOLOGIES:
        raise DesignError(
            f"technology {name!r} is unknown{did_you_mean(name, TECHNOLOGIES)};"
            f" expected one of {', '.join(TECHNOLOGIES)}, or a .yaml file"
        )
    return TECHNOLOGIES[name]


def coefficients(technology: Technology, hardware: Hardware, designs: Floats) -> Floats:
    """Energy [S, COUNTS] in pJ of one count of each kind for designs [S, D]; a cycle costs clock and leakage energy."""
    multiply, add = np.full(len(designs), technology.multiply_pj), np.full(len(designs), technology.add_pj)
    if hardware.floating_point is not None:
        multiply *= np.where(hardware.floating_point, FLOAT_MULTIPLY, 1.0)
        # Alignment and normalization of an adder are logic on an FPGA, not hard blocks.
        in_logic = FPGA_LOGIC / FPGA_OPERATION if technology.fpga else 1.0
        add *= np.where(hardware.floating_point, FLOAT_ADD * in_logic, 1.0)
    buffer = technology.sram_pj(hardware.buffer_bytes / np.maximum(hardware.buffer_banks, 1))
    element = element_um2(technology, hardware, designs)
    hop = _hop_pj(technology, hardware, designs, element)
    cycle = _cycle_pj(technology, hardware, designs, element)
    register = technology.register_pj(hardware.register_bytes)
    return _rows(cycle, multiply, add, buffer, hop, register, technology.dram_pj)


@njit(cache=True, nogil=True)
def _rows(
    cycle: Floats, multiply: Floats, add: Floats, buffer: Floats, hop: Floats, register: Floats, dram: float
) -> Floats:
    """Prices as rows [S, COUNTS], from those that are equal for all operands [S] and those per operand [S, 3]."""
    price = np.zeros((len(cycle), COUNTS))
    for s in range(len(cycle)):
        price[s, COMPUTE] = price[s, FILL] = price[s, STALL] = cycle[s]
        price[s, MULTIPLY], price[s, ADD] = multiply[s], add[s]
        for x in range(3):
            price[s, DRAM_INPUT + x] = dram
            price[s, BUFFER_INPUT + x] = buffer[s, x]
            price[s, NETWORK_INPUT + x] = hop[s]
            price[s, REGISTER_INPUT + x] = register[s, x]
    return price


def wire_pj_per_bit(technology: Technology, area_mm2: Floats) -> Floats:
    """Energy [S, 3] in pJ of one bit of each operand on its way between buffer and array.

    The length of the way is half the side of a square chip of area [S] in mm²; `dse.model.wires` has measured ones.  On
    an FPGA (area nan) the energy is 0, because the energies of its fabric include wires.
    """
    half = np.sqrt(area_mm2) / 2
    half[np.isnan(half)] = 0
    return np.broadcast_to((technology.wire_pj_mm * half)[:, None], (len(half), 3))


def area_mm2(technology: Technology, hardware: Hardware, designs: Floats) -> Floats:
    """Area [S] in mm² of designs [S, D]: multipliers, adders, registers and buffers, with the overheads above."""
    return _chip_mm2(technology, hardware, element_um2(technology, hardware, designs))


def _chip_mm2(technology: Technology, hardware: Hardware, element: Floats) -> Floats:
    """`area_mm2` from the area of an element [S] in µm²."""
    buffers = hardware.buffer_bytes[:, 0] if hardware.shared_buffer else _sum(hardware.buffer_bytes)
    return np.asarray((hardware.elements * element + buffers * 8 * technology.cell_um2 * SRAM_OVER_CELLS) / 1e6)


def element_um2(technology: Technology, hardware: Hardware, designs: Floats) -> Floats:
    """Area [S] in µm² of one processing element of designs [S, D], with its part of the multipliers."""
    sizes = hardware.multipliers, hardware.elements, hardware.register_bytes
    return _element_um2(designs, *sizes, technology.area_over_45nm, technology.cell_um2)


def count_flipflops(hardware: Hardware, designs: Floats) -> Floats:
    """Number of flip-flops [S] of one element of designs [S, D]: of its multipliers and its small register files."""
    return _flipflops(designs, hardware.multipliers, hardware.elements, hardware.register_bytes)


@njit(cache=True, nogil=True)
def _element_um2(
    designs: Floats, multipliers: Floats, elements: Floats, register_bytes: Floats, scale: float, cell_um2: float
) -> Floats:
    """`element_um2` in one pass, for logic with `scale` times its area at 45 nm."""
    area = _flipflops(designs, multipliers, elements, register_bytes)
    for s in range(len(area)):
        product = designs[s, WEIGHT_BITS] * designs[s, INPUT_BITS] * MULTIPLIER_UM2
        arithmetic = (product + designs[s, PSUM_BITS] * ADDER_UM2) * (multipliers[s] / max(elements[s], 1.0))
        logic = arithmetic + area[s] * FLIPFLOP_UM2
        memory = 0.0
        for x in range(3):
            memory += register_bytes[s, x] if register_bytes[s, x] > FLIPFLOP_FILE_BYTES else 0.0
        area[s] = logic * scale * LOGIC_OVERHEAD + memory * 8 * cell_um2 * SRAM_OVER_CELLS
    return area


@njit(cache=True, nogil=True)
def _flipflops(designs: Floats, multipliers: Floats, elements: Floats, register_bytes: Floats) -> Floats:
    """`count_flipflops` in one pass."""
    clocked = np.empty(len(designs))
    for s in range(len(designs)):
        pipeline = 2 * (designs[s, WEIGHT_BITS] + designs[s, INPUT_BITS]) + designs[s, PSUM_BITS]
        files = 0.0
        for x in range(3):
            files += register_bytes[s, x] if register_bytes[s, x] <= FLIPFLOP_FILE_BYTES else 0.0
        clocked[s] = multipliers[s] / max(elements[s], 1.0) * pipeline + files * 8
    return clocked


def _sum(operands: Floats) -> Floats:
    """Sum [S] over the operands [S, 3], as a sum of columns, because numpy is slow on short rows."""
    return np.asarray(operands[:, 0] + operands[:, 1] + operands[:, 2])


def _hop_pj(technology: Technology, hardware: Hardware, designs: Floats, element: Floats) -> Floats:
    """Energy [S] in pJ of one bit to the neighboring unit; on an FPGA that of a 28 nm ASIC times the gap."""
    gap = FPGA_LOGIC if technology.fpga else 1.0
    pitch_mm = np.sqrt(element_um2(_ASIC["28nm"], hardware, designs) if technology.fpga else element) / 1e3
    return np.asarray(gap * HOP_OVER_WIRE * technology.wire_pj_mm * pitch_mm)


def _cycle_pj(technology: Technology, hardware: Hardware, designs: Floats, element: Floats) -> Floats:
    """Energy [S] in pJ of one clock cycle: flip-flops and clock tree, leakage, static power of an FPGA."""
    counted = hardware.resources.get("ff")
    clocked = hardware.elements * count_flipflops(hardware, designs) if counted is None else counted
    clock = technology.flipflop_pj * clocked
    leakage_mw = technology.leakage_mw_mm2 * _chip_mm2(technology, hardware, element) + technology.static_mw
    return np.asarray(clock + leakage_mw * 1e3 / designs[:, CLOCK_MHZ])
