# SPDX-License-Identifier: Apache-2.0
"""Makes of a module's source the code that a command keeps of it.

It does the same, with less to load. What the top of a module says is done when it is
first asked for: imports of the library, classes, functions, and constants that have to
be computed. A command needs a third of what its modules have; of the rest it loads
bytes. Nobody reads docstrings and the annotations of functions in a command. A class
that a decorator would make once more is made once.

Loaded only by a command that has something to keep.
"""

from __future__ import annotations

import ast
import marshal
from types import CodeType

from libcontainer.commands.imports import whole

Late = dict[str, "tuple[str, str] | bytes"]
"""Which name is which of which module, or the code that gives it its meaning."""

_OURS = "libcontainer."
_LATE = "__late__"
_PENDING = "__pending__"
# What modules import for their annotations; nobody else imports it from there.
_ANNOTATED = frozenset({"collections.abc", "types", "typing"})
_MAKERS = frozenset({"frozen", "define"})
# Decorators that have no effect but on what they decorate.
_PURE = _MAKERS | {
    *("contextmanager", "contextlib.contextmanager"),
    *("cache", "functools.cache", "lru_cache", "functools.lru_cache"),
    *("runtime_checkable", "overload"),
}
# What takes longer to compute than to load.
_COMPUTED = (ast.Name, ast.Call, ast.Lambda, ast.JoinedStr)


def rewrite(source: bytes, path: str) -> tuple[CodeType, Late]:
    """Return the code of a module, and what it does when it needs it.

    In the code, ``__late__`` is a dictionary that has these names, and
    ``__pending__`` a metaclass that makes no class.

    Args:
        source: the text of the module.
        path: what tracebacks show.

    Raises:
        SyntaxError: it is no Python.
    """
    tree = ast.parse(source, path)
    tree.body = _at_run_time(_without_docstring(tree.body))
    tree = _Shorter().visit(tree)
    _drop_unread(tree)
    bound = _Bound()
    bound.visit(tree)
    once = {name for name, count in bound.counts.items() if count == 1}
    once -= _in_patterns(tree)
    imported, statements, rest = _sorted(tree.body, once)
    names = _Names({*imported, *statements})
    late: Late = {**imported}
    for name, statement in statements.items():
        late[name] = marshal.dumps(_compiled([names.visit(statement)], path))
    return _compiled([names.visit(statement) for statement in rest], path), late


def _compiled(body: list[ast.stmt], path: str) -> CodeType:
    tree = ast.fix_missing_locations(ast.Module(body, []))
    flags = whole("__future__").annotations.compiler_flag
    made: CodeType = compile(tree, path, "exec", flags, dont_inherit=True, optimize=2)
    return made


def _at_run_time(body: list[ast.stmt]) -> list[ast.stmt]:
    """Return the statements of a module without what only type checkers read."""
    found: list[ast.stmt] = []
    for statement in body:
        if isinstance(statement, ast.If):
            test = ast.unparse(statement.test)
            if test == "TYPE_CHECKING":
                found += statement.orelse
                continue
            if test == "not TYPE_CHECKING":
                found += statement.body
                continue
        elif isinstance(statement, ast.ImportFrom) and statement.module == "__future__":
            continue
        elif isinstance(statement, ast.AnnAssign):
            if statement.value is None:
                continue
            plain = ast.Assign([statement.target], statement.value)
            statement = ast.copy_location(plain, statement)  # noqa: PLW2901
        found.append(statement)
    return found


def _sorted(
    body: list[ast.stmt], once: set[str]
) -> tuple[dict[str, tuple[str, str]], dict[str, ast.stmt], list[ast.stmt]]:
    """Return what is imported later, what is done later, and what at once."""
    imported: dict[str, tuple[str, str]] = {}
    statements: dict[str, ast.stmt] = {}
    rest: list[ast.stmt] = []
    for statement in body:
        if isinstance(statement, ast.ImportFrom) and _is_ours(statement):
            now = []
            for alias in statement.names:
                name = alias.asname or alias.name
                if name in once:
                    imported[name] = (str(statement.module), alias.name)
                else:
                    now.append(alias)
            if not now:
                continue
            statement.names = now
        elif (name := _meaning(statement)) in once and name[:2] != "__":
            statements[name] = statement
            continue
        rest.append(statement)
    return imported, statements, rest


def _meaning(statement: ast.stmt) -> str:
    """Return the name that is all that a statement gives a meaning, or nothing."""
    if isinstance(statement, ast.Assign):
        (target, *others), value = statement.targets, statement.value
        computed = any(isinstance(node, _COMPUTED) for node in ast.walk(value))
        if computed and isinstance(target, ast.Name) and not others:
            return target.id
    elif isinstance(statement, ast.FunctionDef | ast.ClassDef):
        makers = [ast.unparse(_maker(each)) for each in statement.decorator_list]
        return statement.name if _PURE.issuperset(makers) else ""
    elif isinstance(statement, ast.AsyncFunctionDef) and not statement.decorator_list:
        return statement.name
    return ""


def _maker(decorator: ast.expr) -> ast.expr:
    return decorator.func if isinstance(decorator, ast.Call) else decorator


def _drop_unread(tree: ast.Module) -> None:
    """Take out imports that only annotations have used."""
    read = _Read()
    read.visit(tree)
    for statement in list(tree.body):
        if isinstance(statement, ast.ImportFrom) and statement.module in _ANNOTATED:
            names = [a for a in statement.names if a.asname or a.name in read.names]
            if names:
                statement.names = names
            else:
                tree.body.remove(statement)


def _is_ours(statement: ast.ImportFrom) -> bool:
    return statement.level == 0 and f"{statement.module}".startswith(_OURS)


def _in_patterns(tree: ast.Module) -> set[str]:
    """Return the names of classes in patterns, where nothing but names may stand."""
    classes = [node.cls for node in ast.walk(tree) if isinstance(node, ast.MatchClass)]
    return {getattr(node, "id", "") for cls in classes for node in ast.walk(cls)}


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
        elif isinstance(node, ast.alias):
            self._count(node.asname or node.name.partition(".")[0])
        elif isinstance(node, ast.Global | ast.Nonlocal):
            for name in node.names:
                self._count(name)
        elif isinstance(node, ast.arg | ast.MatchMapping):
            self._count(node.arg if isinstance(node, ast.arg) else node.rest)
        else:
            # Functions, classes, handlers of exceptions, patterns.
            self._count(getattr(node, "name", None))
        self.generic_visit(node)


class _Read(ast.NodeVisitor):
    """Finds the names that are looked up."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def visit_Name(self, node: ast.Name) -> None:
        """Note a name."""
        self.names.add(node.id)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        """Pass over the annotation: it is text."""
        if node.value is not None:
            self.visit(node.value)


class _Names(ast.NodeTransformer):
    """Looks names up where they will be, of what is done later."""

    def __init__(self, late: set[str]) -> None:
        self._late = late

    def visit_Name(self, node: ast.Name) -> ast.AST:
        """Let a name be looked up where it will be."""
        if node.id not in self._late or not isinstance(node.ctx, ast.Load):
            return node
        owner = ast.copy_location(ast.Name(_LATE, ast.Load()), node)
        key = ast.copy_location(ast.Constant(node.id), node)
        return ast.copy_location(ast.Subscript(owner, key, ast.Load()), node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        """Leave the annotation, which tells what a field is called."""
        if node.value is not None:
            node.value = self.visit(node.value)
        return node


class _Shorter(ast.NodeTransformer):
    """Takes out of a module what a command does without."""

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
            maker = _maker(node.decorator_list[-1])
            if isinstance(maker, ast.Name) and maker.id in _MAKERS:
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
