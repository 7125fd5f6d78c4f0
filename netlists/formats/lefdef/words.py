"""The words of a LEF or DEF file: separated by white space; `;` ends a statement, `#` begins a comment.

Source: LEF/DEF 5.8 Language Reference, "About LEF/DEF".  A string in double quotes is one word and may span lines.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from pathlib import Path

from netlists.errors import NetlistError
from netlists.formats.textfile import file_error, number

WORD = re.compile(r'"[^"]*"?|(?<!\S)#[^\n]*|[^\s"]\S*')
GLUED = re.compile(r"(?<=[^\s\\]);(?=\s|$)")  # a semicolon that follows a word without a space


class Words:
    """The words of a file, read one after another; every error names the line of the word that it is about."""

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        self.words: list[str] = []
        self.line_starts: list[int] = []  # index of the first word of each line
        self.at = 0  # index of the next word
        self._split(text)

    def _split(self, text: str) -> None:
        lines = text.split("\n")
        at, words, starts = 0, self.words, self.line_starts
        while at < len(lines):
            line = lines[at]
            starts.append(len(words))
            at += 1
            if '"' in line or "#" in line:
                while line.partition("#")[0].count('"') % 2 and at < len(lines):  # a string that spans lines
                    line += "\n" + lines[at]
                    starts.append(len(words))
                    at += 1
                words += [word for word in WORD.findall(line) if word[0] != "#"]
            elif ";" in line and not line.endswith(" ;"):
                words += GLUED.sub(" ;", line).split()
            else:
                words += line.split()

    @property
    def more(self) -> bool:
        """Whether there are words left."""
        return self.at < len(self.words)

    def bad(self, message: str, at: int | None = None) -> NetlistError:
        """The error about a word, by default the last one that was read."""
        return file_error(self.path, self.line(self.at - 1 if at is None else at), message)

    def line(self, at: int) -> int:
        """The line of a word by its index, counted from 1."""
        return max(bisect_right(self.line_starts, max(at, 0)), 1)

    def next(self, expected: str) -> str:
        """The next word; raises `NetlistError` if the file ends instead of what is `expected`."""
        if self.at >= len(self.words):
            raise self.bad(f"the file ends here; expected {expected}, the file may be incomplete")
        self.at += 1
        return self.words[self.at - 1]

    def statement(self, what: str) -> list[str]:
        """The words up to the next semicolon, without it; raises `NetlistError` if there is none."""
        begin = self.at
        try:
            end = self.words.index(";", begin)
        except ValueError:
            raise self.bad(f"{what} has no end; expected `;`, the file may be incomplete", begin) from None
        self.at = end + 1
        return self.words[begin:end]

    def items(self, section: str) -> Iterator[list[str]]:
        """The statements `- ... ;` of a DEF section up to its `END`, without dash and semicolon.

        Raises `NetlistError` if something else stands there or the section has no end.
        """
        while True:
            word = self.next(f"`END {section}`")
            if word == "-":
                yield self.statement(f"an entry of {section}")
            elif word == "END":
                name = self.next(section)
                if name != section:
                    raise self.bad(f"found `END {name}`; expected `END {section}`")
                return
            else:
                raise self.bad(f"found {shorten(word)} in {section}; expected `-` or `END {section}`")

    def demand_end(self, name: str, what: str) -> None:
        """Read the name after `END` of a block; raises `NetlistError` if it is another."""
        end = self.next(name)
        if end != name:
            raise self.bad(f"found `END {shorten(end)}` in {what}; expected `END {name}`")

    def skip_block(self, name: str, what: str) -> None:
        """Skip everything up to `END name`; raises `NetlistError` if there is no such end."""
        begin = self.at - 1
        try:
            while True:
                self.at = self.words.index("END", self.at) + 2
                if self.words[self.at - 1] == name:
                    return
        except (ValueError, IndexError):
            raise self.bad(
                f"{what} {name} has no end; expected `END {name}`, the file may be incomplete", begin
            ) from None

    def numbers(self, words: Sequence[str], count: int, what: str) -> list[float]:
        """`count` finite numbers; raises `NetlistError` if there are fewer words or one is no number."""
        if len(words) < count:
            raise self.bad(f"{what} has {len(words)} numbers; expected {count}")
        try:
            return [number(word) for word in words[:count]]
        except ValueError as error:
            raise self.bad(f"{what}: {error}; expected {count} numbers") from None


def shorten(word: str) -> str:
    """A word as messages quote it, cut if it is very long."""
    return repr(word if len(word) <= 60 else word[:57] + "...")
