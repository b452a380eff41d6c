"""The upper part of a BVH file: the tree of joints."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from kinefuse.errors import FormatError

POSITION_CHANNELS: Final = {"xposition": 0, "yposition": 1, "zposition": 2}
ROTATION_CHANNELS: Final = {"xrotation": 0, "yrotation": 1, "zrotation": 2}
_MAX_JOINTS: Final = 1000


@dataclass
class Hierarchy:
    names: list[str] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)
    offsets: list[list[float]] = field(default_factory=list)
    channels: list[tuple[str, ...]] = field(default_factory=list)
    end_sites: dict[int, np.ndarray] = field(default_factory=dict)


def unexpected(path: Path | str, line: int, expected: str, got: str) -> FormatError:
    return FormatError(f"{path}, line {line}: expected {expected}, got {got[:60]!r}; export the file again.")


def parse_hierarchy(lines: Sequence[str], path: Path | str) -> Hierarchy:
    """Return the joints that the lines of a file before its motion block describe, offsets in the file's unit.

    Raises
    ------
    FormatError
        With the line, if something else is found than expected.
    """
    tree, open_joints = Hierarchy(), list[int | str]()
    words = _statements(lines)
    for number, line in words:
        word, *rest = line.split()
        keyword = word.upper()
        if keyword in {"ROOT", "JOINT"}:
            _open_joint(tree, open_joints, keyword, " ".join(rest), _Here(path, number, line))
            _expect_brace(words, path)
        elif keyword == "END":
            if not open_joints or open_joints[-1] == "end":
                raise unexpected(path, number, "an end site within a joint", line)
            open_joints.append("end")
            _expect_brace(words, path)
        elif keyword == "OFFSET":
            _set_offset(tree, open_joints, rest, _Here(path, number, line))
        elif keyword == "CHANNELS":
            _set_channels(tree, open_joints, rest, _Here(path, number, line))
        elif keyword == "}" and open_joints:
            open_joints.pop()
        else:
            raise unexpected(path, number, "JOINT, OFFSET, CHANNELS, End Site or a brace", line)
    if open_joints or not tree.names:
        raise FormatError(f"{path}: its hierarchy has no joint, or a brace is not closed; export the file again.")
    _check_tree(tree, path)
    return tree


@dataclass
class _Here:
    path: Path | str
    number: int
    line: str

    def fail(self, expected: str) -> FormatError:
        return unexpected(self.path, self.number, expected, self.line)


def _statements(lines: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Yield the statements of the hierarchy, with braces as statements of their own."""
    for number, line in enumerate(lines, start=1):
        for part in line.replace("{", "\n{\n").replace("}", "\n}\n").split("\n"):
            if part.strip() and not (number == 1 and part.strip().upper() == "HIERARCHY"):
                yield number, part.strip()


def _expect_brace(words: Iterator[tuple[int, str]], path: Path | str) -> None:
    number, line = next(words, (0, "the end"))
    if line != "{":
        raise unexpected(path, number, "an opening brace", line)


def _open_joint(tree: Hierarchy, open_joints: list[int | str], keyword: str, name: str, here: _Here) -> None:
    parent = open_joints[-1] if open_joints else -1
    if isinstance(parent, str) or (keyword == "ROOT") != (parent == -1) or (keyword == "ROOT" and tree.names):
        raise here.fail("one ROOT, and every JOINT within it")
    if not name or len(tree.names) >= _MAX_JOINTS:
        raise here.fail(f"a name, and at most {_MAX_JOINTS} joints")
    tree.names.append(name)
    tree.parents.append(parent)
    tree.offsets.append([])
    tree.channels.append(())
    open_joints.append(len(tree.names) - 1)


def _set_offset(tree: Hierarchy, open_joints: list[int | str], words: Sequence[str], here: _Here) -> None:
    try:
        offset = [float(word) for word in words]
    except ValueError:
        raise here.fail("three numbers") from None
    if len(offset) != 3 or not (np.abs(offset) < 1e12).all() or not open_joints:
        raise here.fail("three finite numbers within a joint")
    joint = open_joints[-1]
    if isinstance(joint, int):
        tree.offsets[joint] = offset
    else:
        tree.end_sites[next(j for j in reversed(open_joints) if isinstance(j, int))] = np.array(offset)


def _set_channels(tree: Hierarchy, open_joints: list[int | str], words: Sequence[str], here: _Here) -> None:
    names = tuple(words[1:])
    known = {name.lower() for name in names} <= POSITION_CHANNELS.keys() | ROTATION_CHANNELS.keys()
    if not words or words[0] != str(len(names)) or not known or len(set(map(str.lower, names))) != len(names):
        raise here.fail("the number of channels, then as many different names like Xrotation or Yposition")
    if not open_joints or isinstance(open_joints[-1], str) or tree.channels[open_joints[-1]]:
        raise here.fail("CHANNELS once within a joint")
    tree.channels[open_joints[-1]] = names


def _check_tree(tree: Hierarchy, path: Path | str) -> None:
    for name, offset in zip(tree.names, tree.offsets, strict=True):
        if not offset:
            raise FormatError(f"{path}: joint {name} has no OFFSET; export the file again.")
    twice = sorted({name for name in tree.names if tree.names.count(name) > 1})
    if twice:
        raise FormatError(f"{path}: joint {', '.join(twice)} appears twice; rename one.")
    if not any(tree.channels):
        raise FormatError(f"{path}: no joint has CHANNELS, so nothing can move; export the file again.")
