"""Quantized and fused ONNX operators as the plain operators that they compute: scales and zero points left out."""

from __future__ import annotations

from onnx import NodeProto

MICROSOFT = "com.microsoft"  # the domain of ONNX Runtime's own operators

# Operator: what it computes, and which of its inputs that takes.
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
# Attributes of the originals that are no attributes of the plain operators.
BESIDE = {"channels_last", "opset", "activation", "activation_params"}


def plain(node: NodeProto) -> NodeProto:
    """The plain operator that a node computes; the node itself where it is one, or is another's.

    Layouts other than channels first have no plain operator.
    """
    table = ONNX if node.domain in ("", "ai.onnx") else RUNTIME if node.domain == MICROSOFT else {}
    if node.domain == MICROSOFT and node.op_type == "QLinearConcat":
        return _made(node, "Concat", tuple(range(2, len(node.input), 3)))
    last = any(attribute.name == "channels_last" and attribute.i for attribute in node.attribute)
    if node.op_type not in table or last:
        return node
    return _made(node, *table[node.op_type])


def _made(node: NodeProto, op_type: str, inputs: tuple[int, ...]) -> NodeProto:
    made = NodeProto(op_type=op_type, name=node.name)
    made.input.extend(node.input[index] for index in inputs if index < len(node.input))
    made.output.extend(node.output[:1])
    kept = (attribute for attribute in node.attribute if attribute.name not in BESIDE)
    made.attribute.extend(attribute for attribute in kept if op_type != "Gelu" or attribute.name == "approximate")
    return made
