"""The table of accelerator families: one entry per template, from which commands, help texts and tables are made.

A new template is one module of this folder with a `TEMPLATE`, and one entry here with the name of that module.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Family:
    """What a template is and where it comes from."""

    name: str  # of the template, and of the module in `dse.templates` that holds it
    title: str  # what it is, in one line
    after: str  # the published design that it models, in short
    source: str  # the paper, with the equations or sections that the model follows
    fpga: bool = False  # whether it is built on an FPGA part; otherwise as an ASIC

    @property
    def costs(self) -> str:
        """What a design of the family costs, in words."""
        return "DSP, BRAM, LUT, FF of a part" if self.fpga else "mm² at 65 to 5 nm"


FAMILIES = {
    family.name: family
    for family in (
        Family(
            name="tiled_fpga",
            title="tiled accelerator with Tm x Tn multipliers and double buffers",
            after="Zhang et al., FPGA'15",
            source="Zhang et al., Optimizing FPGA-based accelerator design for deep CNNs, FPGA 2015, sections 3 and 4",
            fpga=True,
        ),
        Family(
            name="convolver_fpga",
            title="convolvers with line buffers, adder trees over input maps",
            after="Qiu et al., FPGA'16",
            source="Qiu et al., Going deeper with embedded FPGA platform for CNN, FPGA 2016, section 6",
            fpga=True,
        ),
        Family(
            name="systolic",
            title="systolic array with three buffers",
            after="TPU, SCALE-Sim",
            source="Jouppi et al., ISCA 2017 (TPU); Samajdar et al., ISPASS 2020 (SCALE-Sim), runtime of ws, os and is",
        ),
        Family(
            name="row_stationary",
            title="Row-stationary array with register files and a global buffer (Eyeriss)",
            after="Eyeriss",
            source="Chen, Emer, Sze, ISCA 2016; Chen, Krishna, Emer, Sze, IEEE JSSC 52(1), 2017, sections III to V",
        ),
        Family(
            name="adaptive",
            title="Tin x Tout array with a scheme of parallelism for each layer",
            after="C-Brain, DAC'16",
            source="Song et al., DAC 2016 (C-Brain): inter-kernel, intra-kernel and hybrid (kernel partition)"
            " parallelism",
        ),
        Family(
            name="spatial",
            title="input x output channels in parallel with a convolution buffer",
            after="NVDLA",
            source="NVDLA documentation: primer, unit description (convolution pipeline), programming guide (working"
            " modes)",
        ),
    )
}
