"""Quantized and fused ONNX operators as the plain operators that they compute, without scales and zero points."""

from __future__ import annotations

from onnx import NodeProto

MICROSOFT = "com.microsoft"  # the domain of ONNX Runtime's own operators

# Operator: the plain operator that it computes, and which of its inputs that one takes.
ONNX = {
    "QLinearConv": ("Conv", (0, 3, 8)),
    "ConvInteger": ("Conv", (0, 1)),
    "QLinearMatMul": ("MatMul", (0, 3)),
    "MatMulInteger": ("MatMul", (0, 1)),
}
RUNTIME = {
    "QLinearAdd": ("Add", (0, 3)),
    "QLinearMul": ("Mul", (0, 3)),
    "QLinearGlobalAveragePool": ("GlobalAveragePool", (0,)),
    "QLinearAveragePool": ("AveragePool", (0,)),
    "QLinearSigmoid": ("Sigmoid", (0,)),
    "QLinearLeakyRelu": ("LeakyRelu", (0,)),
    "QLinearSoftmax": ("Softmax", (0,)),
    "QGemm": ("Gemm", (0, 3, 6)),
    "FusedConv": ("Conv", (0, 1, 2)),
    "FusedGemm": ("Gemm", (0, 1, 2)),
    "Gelu": ("Gelu", (0,)),
    "FastGelu": ("Gelu", (0,)),
    "QuickGelu": ("Gelu", (0,)),
}
# Attributes of the originals that the plain operators do not have.
BESIDE = {"channels_last", "opset", "activation", "activation_params"}


def plain(node: NodeProto) -> NodeProto:
    """The plain operator that a node computes; the node itself if it is plain or unknown.

    Layouts other than channels-first have no plain operator.
    """
    table = ONNX if node.domain in ("", "ai.onnx") else RUNTIME if node.domain == MICROSOFT else {}
    if node.domain == MICROSOFT and node.op_type == "QLinearConcat":
        return _make_plain(node, "Concat", tuple(range(2, len(node.input), 3)))
    last = any(attribute.name == "channels_last" and attribute.i for attribute in node.attribute)
    if node.op_type not in table or last:
        return node
    return _make_plain(node, *table[node.op_type])


def _make_plain(node: NodeProto, op_type: str, inputs: tuple[int, ...]) -> NodeProto:
    result = NodeProto(op_type=op_type, name=node.name)
    result.input.extend(node.input[index] for index in inputs if index < len(node.input))
    result.output.extend(node.output[:1])
    shared = (attribute for attribute in node.attribute if attribute.name not in BESIDE)
    result.attribute.extend(attribute for attribute in shared if op_type != "Gelu" or attribute.name == "approximate")
    return result
