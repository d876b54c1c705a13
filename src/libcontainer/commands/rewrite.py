# SPDX-License-Identifier: Apache-2.0
"""Makes of a module's source the code that a command keeps of it.

It does the same, with less to load. What a module imports of the library at its top is
imported when it is first used: a command that looks at a state does not load what
makes containers only because one module has both. Nobody reads docstrings and the
annotations of functions in a command. A class that a decorator would make once more is
made once.

Loaded only by a command that has something to keep.
"""

from __future__ import annotations

import ast
from types import CodeType

Late = dict[str, tuple[str, str]]
"""Which name is which of which module."""

_OURS = "libcontainer."
_LATE = "__late__"
_PENDING = "__pending__"
# What modules import for their annotations; nobody else imports it from there.
_ANNOTATED = frozenset({"collections.abc", "types", "typing"})
_MAKERS = frozenset({"frozen", "define"})


def rewrite(source: bytes, path: str) -> tuple[CodeType, Late]:
    """Return the code of a module, and what it imports when it needs it.

    In the code, ``__late__`` is an object that has these names as attributes, and
    ``__pending__`` a metaclass that makes no class.

    Args:
        source: the text of the module.
        path: what tracebacks show.

    Raises:
        SyntaxError: it is no Python.
    """
    tree = ast.parse(source, path)
    late = _late_imports(tree)
    tree = ast.fix_missing_locations(_Rewriter(late).visit(tree))
    _drop_unread(tree)
    return compile(tree, path, "exec", dont_inherit=True, optimize=2), late


def _late_imports(tree: ast.Module) -> Late:
    found: Late = {}
    for statement in tree.body:
        if isinstance(statement, ast.ImportFrom) and _is_ours(statement):
            for alias in statement.names:
                name = alias.asname or alias.name
                found[name] = (str(statement.module), alias.name)
    bound = _Bound()
    bound.visit(tree)
    return {name: found[name] for name in found if bound.counts.get(name) == 1}


def _drop_unread(tree: ast.Module) -> None:
    """Take out imports that only annotations have used."""
    read = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    for statement in list(tree.body):
        if isinstance(statement, ast.ImportFrom) and statement.module in _ANNOTATED:
            names = [a for a in statement.names if (a.asname or a.name) in read]
            if names:
                statement.names = names
            else:
                tree.body.remove(statement)


def _is_ours(statement: ast.ImportFrom) -> bool:
    return statement.level == 0 and f"{statement.module}".startswith(_OURS)


class _Bound(ast.NodeVisitor):
    """Counts where each name is given a meaning, in whatever scope."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}

    def _count(self, name: str | None) -> None:
        if name is not None:
            self.counts[name] = self.counts.get(name, 0) + 1

    def visit(self, node: ast.AST) -> None:
        """Count what a node gives a meaning, and all below it."""
        if isinstance(node, ast.Name):
            if not isinstance(node.ctx, ast.Load):
                self._count(node.id)
        elif isinstance(node, ast.arg):
            self._count(node.arg)
        elif isinstance(node, ast.alias):
            self._count(node.asname or node.name.partition(".")[0])
        elif isinstance(node, ast.Global | ast.Nonlocal):
            for name in node.names:
                self._count(name)
        elif isinstance(node, ast.MatchMapping):
            self._count(node.rest)
        else:
            # Functions, classes, handlers of exceptions, patterns.
            self._count(getattr(node, "name", None))
        self.generic_visit(node)


class _Rewriter(ast.NodeTransformer):
    """Takes out of a module what a command does without."""

    def __init__(self, late: Late) -> None:
        self._late = late

    def visit_Module(self, node: ast.Module) -> ast.AST:
        """Take out imports for later, and the docstring."""
        body: list[ast.stmt] = []
        for statement in _without_docstring(node.body):
            if isinstance(statement, ast.ImportFrom) and _is_ours(statement):
                names = [a for a in statement.names if not self._is_late(a)]
                if not names:
                    continue
                statement.names = names
            body.append(statement)
        node.body = body
        self.generic_visit(node)
        return node

    def _is_late(self, alias: ast.alias) -> bool:
        return (alias.asname or alias.name) in self._late

    def visit_Name(self, node: ast.Name) -> ast.AST:
        """Let a name that is imported later be looked up where it will be."""
        if node.id not in self._late:
            return node
        owner = ast.copy_location(ast.Name(_LATE, ast.Load()), node)
        return ast.copy_location(ast.Attribute(owner, node.id, ast.Load()), node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        """Leave the annotation, which tells what a field is called."""
        if node.value is not None:
            node.value = self.visit(node.value)
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        """Take out annotations and the docstring."""
        return self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        """Take out annotations and the docstring."""
        return self._function(node)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        given = node.args
        every = [*given.posonlyargs, *given.args, *given.kwonlyargs]
        for argument in (*every, given.vararg, given.kwarg):
            if argument is not None:
                argument.annotation = None
        node.returns = None
        node.body = _without_docstring(node.body)
        self.generic_visit(node)
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        """Let a class wait for the decorator that makes it."""
        node.body = _without_docstring(node.body)
        if not node.keywords and node.decorator_list:
            maker = node.decorator_list[-1]
            called = maker.func if isinstance(maker, ast.Call) else maker
            if isinstance(called, ast.Name) and called.id in _MAKERS:
                value = ast.Name(_PENDING, ast.Load())
                node.keywords = [ast.keyword("metaclass", value)]
        self.generic_visit(node)
        return node


def _without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    first = body[0] if body else None
    if not isinstance(first, ast.Expr) or not isinstance(first.value, ast.Constant):
        return body
    if not isinstance(first.value.value, str):
        return body
    return body[1:] or [ast.copy_location(ast.Pass(), first)]
