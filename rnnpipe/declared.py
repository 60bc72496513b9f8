"""What figures and quantities declare, read from their source: the workflow checks names without importing them."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

_HERE = Path(__file__).parent


@cache
def _module(path: Path) -> ast.Module:
    return ast.parse(path.read_bytes(), str(path))


@cache
def figure_modules() -> dict[str, dict[str, str]]:
    """Name of every figure module with its NEEDS: the kind of artefact behind each need."""
    return _constants("NEEDS")


@cache
def optional_needs() -> dict[str, dict[str, str]]:
    """The same of what a figure may do without, OPTIONAL, of the figures that have it."""
    return _constants("OPTIONAL")


def _constants(name: str) -> dict[str, dict[str, str]]:
    """A mapping that modules of figures define under that name."""
    found = {}
    for path in sorted((_HERE / "figures").glob("[!_]*.py")):
        for node in _module(path).body:
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
            if any(isinstance(t, ast.Name) and t.id == name for t in targets):
                found[path.stem] = dict(ast.literal_eval(node.value))  # type: ignore[attr-defined]
    return found


def figure_settings(module: str) -> list[str]:
    """Keys of a figure's settings: the fields of its class `Options`."""
    for node in _module(_HERE / "figures" / f"{module}.py").body:
        if isinstance(node, ast.ClassDef) and node.name == "Options":
            return [f.target.id for f in node.body if isinstance(f, ast.AnnAssign) and isinstance(f.target, ast.Name)]
    return []


@cache
def quantities() -> dict[str, str]:
    """Quantities that claims can be about, functions decorated with `quantity`, and what each reads."""
    modules = map(_module, sorted((_HERE / "analysis" / "quantities").glob("[!_]*.py")))
    functions = [n for module in modules for n in module.body if isinstance(n, ast.FunctionDef)]
    return {
        function.name: str(ast.literal_eval(decorator.args[0]))
        for function in functions
        for decorator in function.decorator_list
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "quantity"
    }
