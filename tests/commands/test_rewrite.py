# SPDX-License-Identifier: Apache-2.0
"""The code that a command keeps of a module does what the module says, later."""

from __future__ import annotations

import marshal
import os
import subprocess
import sys
from pathlib import Path

import pytest

from libcontainer.commands.rewrite import rewrite
from tests.commands.test_codecache import copy

OTHER = """
print("other is loaded")
NUMBER = 7
def twice(value: "Never") -> "Never":
    '''Not kept.'''
    return value + value
class Base: ...
"""

CASES = {
    "when it is first used": (
        "from libcontainer.other import NUMBER, twice\n"
        "print('sample')\n"
        "def use(): return twice(NUMBER)\n"
        "print(use(), use())\n",
        "sample\nother is loaded\n14 14",
    ),
    "under another name, in a class, a default and a comprehension": (
        "from libcontainer.other import NUMBER as N, Base\n"
        "print('sample')\n"
        "class Sample(Base):\n"
        "    number = N\n"
        "    def get(self, value=N): return [value + n + N for n in range(2)]\n"
        "print(Sample().get(), Sample.number)\n",
        "sample\nother is loaded\n[14, 15] 7",
    ),
    "at once where the name has another meaning somewhere": (
        "from libcontainer.other import NUMBER\n"
        "print('sample')\n"
        "def use(NUMBER=1): return NUMBER\n"
        "print(use(), NUMBER)\n",
        "other is loaded\nsample\n1 7",
    ),
    "at once where it is changed": (
        "from libcontainer.other import NUMBER\n"
        "def change():\n    global NUMBER\n    NUMBER += 1\n"
        "change()\nprint(NUMBER)\n",
        "other is loaded\n8",
    ),
    "a pattern": (
        "from libcontainer.other import Base\nfrom libcontainer import other\n"
        "match other.Base():\n    case Base(): print('it is')\n",
        "other is loaded\nit is",
    ),
    "from outside, too": (
        "from libcontainer.other import NUMBER\n"
        "import sys\nme = sys.modules[__name__]\n"
        "print(hasattr(me, 'nothing'), me.NUMBER, 'NUMBER' in vars(me))\n",
        "other is loaded\nFalse 7 True",
    ),
    "beside names that the module finds itself": (
        "from libcontainer.other import NUMBER\nimport sys\n"
        "def __getattr__(name):\n"
        "    if name == 'found': return 'found'\n"
        "    raise AttributeError(name)\n"
        "print('sample')\n",
        "sample\nfound\nother is loaded\n7",
    ),
    "modules that need each other": (
        "from libcontainer.second import ask\ndef answer(): return 42\nprint(ask())\n",
        "42",
    ),
    "a name that is not there": (
        "from libcontainer.other import nothing\n"
        "try:\n    nothing\n"
        "except ImportError as error:\n    print(error)\n",
        "other is loaded\ncannot import name 'nothing' from 'libcontainer.other'",
    ),
    "what is computed and asked for later": (
        "import functools\n"
        "print('sample')\n"
        "COUNT = [print('computed')] * 2\n"
        "PLAIN = {'as it is': (1, 2)}\n"
        "@functools.cache\n"
        "def once(more=COUNT): return len(more) + len(Later.more)\n"
        "class Later:\n"
        "    print('made')\n"
        "    more = COUNT\n"
        "    def use(self): return once() + (0 if self.more is COUNT else 100)\n"
        "print(sorted(n for n in ('PLAIN', 'once') if n in globals()))\n"
        "print(Later().use(), once())\n",
        "sample\n['PLAIN']\nmade\ncomputed\n4 4",
    ),
    "what has an effect, at once": (
        "SEEN = []\n"
        "def note(what):\n    SEEN.append(what.__name__)\n    return what\n"
        "@note\ndef one(): ...\n"
        "@note\nclass Two: ...\n"
        "if SEEN:\n    THREE = len(SEEN)\n"
        "print(SEEN, THREE)\n",
        "['one', 'Two'] 2",
    ),
    "what only type checkers read, never": (
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    from libcontainer.nowhere import NUMBER\n"
        "else:\n    NUMBER = int('3')\n"
        "if not TYPE_CHECKING:\n    print('here')\n"
        "def use():\n    from libcontainer.other import NUMBER\n    return NUMBER\n"
        "print(use(), NUMBER)\n",
        "here\nother is loaded\n7 3",
    ),
    "an error in a class that is made later": (
        "class Later:\n    number = None.nothing\n"
        "try:\n    Later\n"
        "except AttributeError as error:\n    print(error)\n",
        "'NoneType' object has no attribute 'nothing'",
    ),
    "a class that is made once, and knows itself": (
        "from attrs import define, field, frozen\n"
        "@frozen\nclass One:\n"
        "    '''Not kept.'''\n"
        "    number: int = 3\n"
        "    def name(self): return 'one'\n"
        "@frozen(kw_only=True)\nclass Two(One):\n"
        "    more: list[int] = field(factory=list)\n"
        "    def name(self): return super().name() + __class__.__name__\n"
        "    @property\n    def size(self): return len(self.more)\n"
        "@define\nclass Three(Two):\n    last: int = 0\n"
        "print(Two(5, more=[1]), Two().name(), Two(more=[1, 2]).size, Two() == Two())\n"
        "three = Three(last=2)\n"
        "print(three, One.__doc__, [c.__name__ for c in Three.__mro__[:3]])\n",
        "Two(number=5, more=[1]) oneTwo 2 True\n"
        "Three(number=3, more=[], last=2) None ['Three', 'OpenRecord', 'Two']",
    ),
}

SCRIPT = """
import sys
from libcontainer.commands import imports
importer = imports.install()
try:
    import libcontainer.sample as sample
    if hasattr(sample, "found"):
        print(sample.found)
        print(sample.NUMBER)
finally:
    importer.save()
"""


def said(tree: Path) -> str:
    unwanted = {"PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX"}
    environment = {k: v for k, v in os.environ.items() if k not in unwanted}
    done = subprocess.run(
        [sys.executable, "-S", "-c", SCRIPT],
        env={**environment, "PYTHONPATH": str(tree)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() + done.stderr


@pytest.mark.parametrize("case", CASES)
def test_it_is_imported(tmp_path: Path, case: str) -> None:
    source, expected = CASES[case]
    folder = copy(tmp_path) / "libcontainer"
    (folder / "other.py").write_text(OTHER)
    (folder / "second.py").write_text(
        "from libcontainer.sample import answer\ndef ask(): return answer()\n"
    )
    (folder / "sample.py").write_text("from __future__ import annotations\n" + source)
    said(tmp_path)  # as it is, and kept then
    assert said(tmp_path) == expected


def test_lines_are_those_of_the_source() -> None:
    source = (
        b'"""Text."""\nfrom libcontainer.other import f\n\n\ndef g():\n    f(\n1)\n'
    )
    code, late = rewrite(source, "sample.py")
    assert late.pop("f") == ("libcontainer.other", "f")
    assert code.co_consts == (None,)
    code = marshal.loads(bytes(late.pop("g")))
    assert not late
    (inner,) = (c for c in code.co_consts if hasattr(c, "co_code"))
    assert inner.co_firstlineno == 5
    assert {line for *_, line in inner.co_lines()} >= {6, 7}


def test_what_nobody_reads_is_gone() -> None:
    source = b'''
"""Text."""
from typing import Any, TypeVar
T = TypeVar("T")
def f(a: Any, *b: Any, c: Any = 1, **d: Any) -> Any:
    """Text."""
class A:
    """Text."""
    x: int = 3
'''
    names: dict[str, object] = {"__name__": "sample"}
    code, late = rewrite(b"from __future__ import annotations\n" + source, "sample.py")
    exec(code, names)
    assert names.keys() == {"__name__", "__builtins__", "TypeVar"}
    assert late.keys() == {"f", "A", "T"}
    for name in ("f", "A"):
        exec(marshal.loads(bytes(late[name])), names)
    function, cls = names["f"], names["A"]
    assert (function.__annotations__, function.__doc__) == ({}, None)  # type: ignore[attr-defined]
    assert (cls.__annotations__, cls.__doc__) == ({"x": "int"}, None)  # type: ignore[attr-defined]
