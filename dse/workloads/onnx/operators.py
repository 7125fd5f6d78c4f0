"""What each ONNX operator means for an accelerator: every supported operator is in one of these sets."""

from __future__ import annotations

from collections import Counter

from onnx import NodeProto

PRODUCTS = {"Conv", "Conv3D", "ConvTranspose", "Gemm", "MatMul", "Einsum", "Attention"}
RECURRENT = {"LSTM": 4, "GRU": 3, "RNN": 1}  # with their numbers of gates
POOLS = {"MaxPool", "MaxPool3D", "AveragePool", "AveragePool3D", "LpPool", "LpPool3D"}
WINDOWED = POOLS | {"Conv", "ConvTranspose"}
REDUCTIONS = {
    "GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool", "ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin",
    "ReduceProd", "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceSumSquare", "ArgMax", "ArgMin",
}  # fmt: skip
ARITHMETIC = {
    "Add", "Sub", "Mul", "Div", "Pow", "Mod", "Sum", "Mean", "Max", "Min", "PRelu", "Where", "And", "Or", "Xor",
    "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual",
}  # fmt: skip
NORMALIZATIONS = {
    "LayerNormalization", "RMSNormalization", "InstanceNormalization", "GroupNormalization", "LpNormalization",
    "MeanVarianceNormalization",
}  # fmt: skip
# They read a whole row before they write it.
ROWS = {"Softmax", "LogSoftmax", "Hardmax", *NORMALIZATIONS}
# They count as reading what they write.
COPIES = {"Gather", "GatherElements", "GatherND", "Resize", "Upsample", "RotaryEmbedding", "CumSum", "GridSample"}
# They act on a value on its way out of the layer before.
FUSED = {
    "Relu", "LeakyRelu", "ThresholdedRelu", "Clip", "Sigmoid", "HardSigmoid", "HardSwish", "Swish", "Mish", "Tanh",
    "Elu", "Selu", "Celu", "Gelu", "Softplus", "Softsign", "Erf", "Exp", "Log", "Sqrt", "Reciprocal", "Neg", "Abs",
    "Sign", "Floor", "Ceil", "Round", "Sin", "Cos", "Tan", "Atan", "Not", "IsNaN", "IsInf", "BatchNormalization", "LRN",
    "Dropout", "Cast", "CastLike", "Identity", "QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "Shrink",
    "Trilu",
}  # fmt: skip
# They rename or reorder elements, which the addresses that the next layer reads take care of.
VIEWS = {
    "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Concat", "Split", "Slice", "Pad", "Expand", "Tile",
    "DepthToSpace", "SpaceToDepth", "ReverseSequence",
}  # fmt: skip
SUBGRAPHS = {"If", "Loop", "Scan"}  # followed by `dse.workloads.onnx.walk`
# Their results are activations, although no input of the model reaches them.
RANDOM = {"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Bernoulli", "Multinomial"}
KNOWN = PRODUCTS | RECURRENT.keys() | POOLS | REDUCTIONS | ARITHMETIC | ROWS | COPIES | FUSED | VIEWS
# Their result is as large as the first input.
SAME_SHAPE = FUSED | ROWS | {"CumSum", "RotaryEmbedding", "ReverseSequence"}


def operator(node: NodeProto) -> str:
    """An operator's name, with its domain unless that is ONNX's own, and its dimensions if there are more than two."""
    name = node.op_type if node.domain in ("", "ai.onnx") else f"{node.domain}.{node.op_type}"
    axes = next((len(attribute.ints) for attribute in node.attribute if attribute.name == "kernel_shape"), 0)
    return f"{name}{axes}D" if axes > 2 else name


def list_operators(operators: Counter[str]) -> str:
    """Names of operators with the number of each, as text."""
    return ", ".join(f"{name} ({count})" for name, count in sorted(operators.items()))
