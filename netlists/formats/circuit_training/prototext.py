"""The nodes of a Circuit Training `netlist.pb.txt`, which is a GraphDef in the protobuf text format.

    node {
      name: "NAME"
      input: "SINK"
      attr {
        key: "KEY"
        value {
          f: 1.5
        }
      }
    }

`read` parses the layout above, which every known tool writes, with two regular expressions (`scan`), and a node in any
other legal layout token by token, at a tenth of the speed.  `comments` returns the `#` lines before the first node.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from netlists.formats.textfile import MAX_QUOTED, file_error, number

Node = tuple[str, list[str], dict[str, str]]
"""Name, inputs and attributes, whose numbers are still text."""


class NodeLines(NamedTuple):
    """The line numbers of the parts of a node."""

    name: int
    inputs: list[int]
    attrs: dict[str, int]


# Possessive quantifiers keep the scan linear.  Numbers that might be too large are left to the parser.
_NUMBER = r"-?[0-9]{1,12}(?:\.[0-9]{1,40})?(?:e-[0-9]{1,3})?"
_NO_NODE = re.compile(r"(?:[ \t]*+(?:#[^\n]*+)?\n)*+")  # empty lines and comments
_NODE = re.compile(
    r'node \{\n  name: "([^"\\\n]++)"\n((?:  input: "[^"\\\n]*+"\n)*+)'
    r'((?:  attr \{\n    key: "\w++"\n    value \{\n      '
    rf'(?:[fi]: {_NUMBER}|placeholder: "[^"\\\n]*+")\n    \}}\n  \}}\n)*+)\}}\n{_NO_NODE.pattern}'
)
_ATTR = re.compile(r'key: "(\w+)"\n    value \{\n      (?:[fi]: (\S+)|placeholder: "([^"]*)")')


def read(path: Path, text: str) -> tuple[list[Node], list[int]]:
    """The nodes, and the index in the text at which each begins.

    Raises `NetlistError` naming the line of the first mistake.
    """
    nodes: list[Node] = []
    starts: list[int] = []
    start, line = 0, 1
    while True:
        more_nodes, more_starts, end = scan(text, start)
        nodes += more_nodes
        starts += more_starts
        line += text.count("\n", start, end)
        parser = _Parser(path, text, end, line)
        if parser.at_end():
            return nodes, starts
        node, _ = parser.node()
        nodes.append(node)
        starts.append(end)
        start, line = parser.position()


def scan(text: str, start: int) -> tuple[list[Node], list[int], int]:
    """The nodes in the usual layout from the index `start` on, the index of each, and the index after the last."""
    nodes: list[Node] = []
    starts: list[int] = []
    end = _skip(text, start)
    while match := _NODE.match(text, end):
        starts.append(end)
        end = match.end()
        name, inputs, attrs = match.groups()
        values = {key: value or word for key, value, word in _ATTR.findall(attrs)}
        nodes.append((name, inputs.split('"')[1::2], values))
    return nodes, starts, end


def lines_at(path: Path, text: str, start: int) -> NodeLines:
    """The line numbers of the parts of the node that begins at the index `start`."""
    return _Parser(path, text, start, 1 + text.count("\n", 0, start)).node()[1]


def comments(text: str) -> list[tuple[int, str]]:
    """The `#` lines before the first node, each with its line number."""
    lines = enumerate(text[: _skip(text, 0)].split("\n"), 1)
    return [(line, comment) for line, comment in lines if comment.lstrip().startswith("#")]


def _skip(text: str, start: int) -> int:
    """The index after the empty lines and comments that begin at the index `start`."""
    match = _NO_NODE.match(text, start)
    return match.end() if match else start


_TOKEN = re.compile(
    r"""(?P<space>[ \t\r\f\v,;]+|\#[^\n]*|\n)|(?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')"""
    r"""|(?P<mark>[{}<>:])|(?P<word>[^\s{}<>:,;"'\#]+)|(?P<stray>.)"""
)
_ESCAPE = re.compile(r"\\(?:([0-7]{1,3})|x([0-9a-fA-F]{1,2})|(.))")
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r"}


class Token(NamedTuple):
    """A token of the text."""

    kind: str  # string, mark, word, or end
    text: str
    line: int  # line number
    start: int  # index in the text


def _tokens(path: Path, text: str, start: int, line: int) -> Iterator[Token]:
    """The tokens from the index `start`, which is on a line; `end` tokens follow the last one."""
    for match in _TOKEN.finditer(text, start):
        kind, token = str(match.lastgroup), match.group()
        if kind == "space":
            line += token == "\n"
        elif kind == "stray":
            raise file_error(path, line, f"found {token!r}, expected a name, a string or a brace")
        else:
            yield Token(kind, token, line, match.start())
    while True:
        yield Token("end", "the end of the file", line, len(text))


class _Parser:
    """Recursive descent from an index in a text, on a line, with one method for each kind of block."""

    def __init__(self, path: Path, text: str, start: int, line: int) -> None:
        self._path = path
        self._tokens = _tokens(path, text, start, line)
        self._next = next(self._tokens)

    def at_end(self) -> bool:
        """Whether no token is left."""
        return self._next.kind == "end"

    def position(self) -> tuple[int, int]:
        """The index at which the next token begins, and its line number."""
        return self._next.start, self._next.line

    def node(self) -> tuple[Node, NodeLines]:
        """Parse a node."""
        return self._node(self._take("word", "'node'", "node").line)

    def _node(self, start: int) -> tuple[Node, NodeLines]:
        name, name_line = "", 0
        inputs: list[str] = []
        input_lines: list[int] = []
        attrs: dict[str, str] = {}
        attr_lines: dict[str, int] = {}
        for field in self._fields("node", start):
            if field.text == "name":
                name, name_line = self._string("a name in quotes"), field.line
            elif field.text == "input":
                inputs.append(self._string("the name of a pin in quotes"))
                input_lines.append(field.line)
            elif field.text == "attr":
                key, value = self._attr(field.line)
                attrs[key], attr_lines[key] = value, field.line
            elif field.text in ("op", "device"):  # fields of a GraphDef node without meaning for a chip
                self._string("a string")
            else:
                raise self._wrong(field, "name, input or attr")
        if not name:
            raise file_error(self._path, name_line or start, 'node without a name, expected name: "..."')
        return (name, inputs, attrs), NodeLines(name_line, input_lines, attr_lines)

    def _attr(self, start: int) -> tuple[str, str]:
        key = value = None
        for field in self._fields("attr", start):
            if field.text == "key":
                key = self._string("a key in quotes")
            elif field.text == "value":
                value = self._value(field.line)
            else:
                raise self._wrong(field, "key or value")
        if key is None or value is None:
            raise file_error(self._path, start, f"attr without {'a key' if key is None else 'a value'}, expected both")
        return key, value

    def _value(self, start: int) -> str:
        value = None
        for field in self._fields("value", start):
            if field.text in ("placeholder", "s"):
                value = self._string("a string in quotes")
            elif field.text in ("f", "i"):
                self._colon()
                value = self._take("word", "a number").text
                self._check_number(value, field.line)
            elif field.text == "b":
                self._colon()
                value = self._take("word", "true or false").text
            else:
                raise self._wrong(field, "f, i, b, s or placeholder")
        if value is None:
            raise file_error(self._path, start, "empty value, expected f, i, b, s or placeholder")
        return value

    def _check_number(self, value: str, line: int) -> None:
        try:
            number(value)
        except ValueError as error:
            raise file_error(self._path, line, str(error)) from None

    def _fields(self, what: str, start: int) -> Iterator[Token]:
        """The field names of a block, up to its closing brace; the caller must take the values."""
        if self._next.text == ":":
            self._colon()
        close = "}" if self._take("mark", "'{'", "{", "<").text == "{" else ">"
        while self._next.text != close or self._next.kind != "mark":
            if self._next.kind == "end":
                raise file_error(
                    self._path, self._next.line, f"unfinished block {what!r} of line {start}, expected {close!r}"
                )
            yield self._take("word", f"a field of {what!r} or {close!r}")
        self._next = next(self._tokens)

    def _colon(self) -> None:
        self._take("mark", "':'", ":")

    def _string(self, expected: str) -> str:
        self._colon()
        return _unescape(self._take("string", expected).text[1:-1])

    def _take(self, kind: str, expected: str, *texts: str) -> Token:
        token = self._next
        if token.kind != kind or (texts and token.text not in texts):
            raise self._wrong(token, expected)
        self._next = next(self._tokens)
        return token

    def _wrong(self, token: Token, expected: str) -> Exception:
        text = token.text if token.kind == "end" else repr(token.text[:MAX_QUOTED])
        return file_error(self._path, token.line, f"found {text}, expected {expected}")


def _unescape(text: str) -> str:
    return _ESCAPE.sub(_unescape_match, text) if "\\" in text else text


def _unescape_match(match: re.Match[str]) -> str:
    octal, hexadecimal, letter = match.groups()
    if octal or hexadecimal:
        return chr(int(octal, 8) if octal else int(hexadecimal, 16))
    return _ESCAPED.get(letter, letter)


def quote(text: str) -> str:
    """A string in quotes and with escapes, as in the protobuf text format."""
    for plain, escaped in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n")):
        text = text.replace(plain, escaped)
    return f'"{text}"'
