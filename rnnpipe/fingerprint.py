"""What a stage's results depend on besides its files and settings: the code it runs.

`Fingerprint(root, package)(module, *more)` is a short hash over the syntax trees of the modules, of every module of
the package that they import (at any depth, also inside functions), and over the versions of the watched libraries
that this code imports. Comments, layout, docstrings and help texts do not count, nor does a module that the stage
never imports. Modules that are imported by a name known only at run time must be named by the caller.

Nothing but the standard library and what needs no more: the workflow imports this file while it is being read.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from rnnpipe.errors import ArtefactError
from rnnpipe.files import whole

FORMAT = 2
"""Raise it to make every stored hash differ."""


def library_version(library: str) -> str:
    """Installed version without the build label (what follows "+": cpu, cu130), or 'elsewhere'."""
    try:
        return metadata.version(library).partition("+")[0]
    except metadata.PackageNotFoundError:
        return "elsewhere"  # only in the rule's own environment


@dataclass(frozen=True)
class _Module:
    digest: str
    imports: list[list[str]]
    """[module] of `import module`, [module, name] of `from module import name`; both absolute."""


class Fingerprint:
    """Hashes of code, remembered by the content of each file.

    Args:
        root: Folder that holds the package's folder.
        package: Name of the package.
        libraries: Import names of the libraries whose versions count where they are imported.
        cache: File that keeps the syntax trees' hashes between runs; may be deleted at any time.
    """

    def __init__(
        self,
        root: str | Path,
        package: str,
        libraries: Iterable[str] = ("numpy", "torch"),
        cache: str | Path | None = None,
    ) -> None:
        self.root, self.package = Path(root), package
        self._libraries = set(libraries)
        self._cache_path = Path(cache) if cache else None
        self._cache: dict[str, list[object]] = {}
        self._changed = False
        if self._cache_path:
            with contextlib.suppress(OSError, ValueError, TypeError):
                self._cache = dict(json.loads(self._cache_path.read_text()))
        self._modules: dict[str, _Module] = {}
        self._targets: dict[str, list[str]] = {}
        self._versions: dict[str, str] = {}

    def __call__(self, *modules: str) -> str:
        """Hash of the code that these modules (absolute names) run, 16 hexadecimal digits."""
        names = self.closure(*modules)
        watched = {top for name in names for top in self._foreign(name)} & self._libraries
        for library in watched - self._versions.keys():
            self._versions[library] = library_version(library)
        versions = [f"{library}=={self._versions[library]}" for library in sorted(watched)]
        self._save()
        return _sha256(json.dumps([FORMAT, [[n, self._module(n).digest] for n in names], versions]))[:16]

    def closure(self, *modules: str) -> list[str]:
        """Every module of the package that is imported when these are, themselves and their packages included."""
        todo, done = list(modules), set[str]()
        while todo:
            name = todo.pop()
            if name in done:
                continue
            done.add(name)
            todo += self._imported(name)
        return sorted(done)

    def _imported(self, name: str) -> list[str]:
        """Modules of the package that the import of one imports at once: its packages, and what it names.

        Remembered: hundreds of closures share most of their modules, and each look costs the system several calls.
        """
        if name not in self._targets:
            parts = name.split(".")
            found = [".".join(parts[:i]) for i in range(1, len(parts))]
            for base, *attribute in self._module(name).imports:
                if base.partition(".")[0] == self.package:
                    submodule = ".".join([base, *attribute])
                    found.append(submodule if self._path(submodule).is_file() else base)
            self._targets[name] = list(dict.fromkeys(found))
        return self._targets[name]

    def _foreign(self, name: str) -> set[str]:
        return {base.partition(".")[0] for base, *_ in self._module(name).imports}

    def _path(self, module: str) -> Path:
        path = self.root.joinpath(*module.split("."))
        single = path.with_name(f"{path.name}.py")
        return single if single.is_file() else path / "__init__.py"

    def _module(self, name: str) -> _Module:
        if name not in self._modules:
            path = self._path(name)
            source = path.read_bytes()
            key = f"{FORMAT}:{hashlib.sha256(source).hexdigest()}"
            known = self._cache.get(name)
            if not (isinstance(known, list) and len(known) == 3 and known[0] == key):
                tree = ast.parse(source, str(path))
                imports = sorted(_imports(tree, name, is_package=path.name == "__init__.py"))
                _Bare().visit(tree)
                digest = _sha256(ast.unparse(tree))
                known = self._cache[name] = [key, digest, imports]
                self._changed = True
            self._modules[name] = _Module(known[1], known[2])  # type: ignore[arg-type]
        return self._modules[name]

    def _save(self) -> None:
        if self._changed and self._cache_path:
            self._changed = False
            with contextlib.suppress(OSError, ArtefactError), whole(self._cache_path) as tmp:  # only a cache
                tmp.write_text(json.dumps(self._cache))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


class _Bare(ast.NodeTransformer):
    """Strips what people read and machines do not: bare strings (docstrings) and help texts."""

    def visit(self, node: ast.AST) -> ast.AST | None:
        node = self.generic_visit(node)
        # an emptied block stays valid source
        if getattr(node, "body", None) == []:
            node.body = [ast.Pass()]  # type: ignore[attr-defined]
        return super().visit(node) if isinstance(node, ast.Expr | ast.Call) else node

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        is_text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if is_text else node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        node.keywords = [k for k in node.keywords if k.arg != "help"]
        if isinstance(node.func, ast.Name) and node.func.id == "setting":  # setting(default, help, unit)
            node.args[1:2] = [ast.Constant("")] * len(node.args[1:2])
        return node


def _imports(tree: ast.Module, name: str, is_package: bool) -> list[list[str]]:
    """Every import of a module, also inside functions, but not those that only type checkers follow."""
    parts = name.split(".") if is_package else name.split(".")[:-1]
    found: list[list[str]] = []
    todo: list[ast.AST] = [tree]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Import):
            found += [[alias.name] for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = parts[: len(parts) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            found += [[base, alias.name] for alias in node.names]
        elif isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            todo += node.orelse
        else:
            todo += ast.iter_child_nodes(node)
    return found
