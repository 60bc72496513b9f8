"""What a stage's results depend on besides its files and settings: the code it runs.

`Fingerprint(root, package)(module, *more)` is a short hash over the syntax trees of the
module, of every module of the package it imports (at any depth, also inside functions),
and over the versions of the watched libraries that this code imports.  Comments, layout
and docstrings do not count, nor does a module that the stage never imports.

Standard library only: the workflow imports this file while it is being read.
"""
import ast
import hashlib
import json
import os
from importlib import metadata
from pathlib import Path

FORMAT = 1  # raise it to make every stored hash differ


def _without_docstrings(tree):
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(tree):
        if isinstance(node, kinds) and node.body:
            first = node.body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                if isinstance(first.value.value, str):
                    node.body = node.body[1:] or [ast.Pass()]
    return tree


def library_version(library: str) -> str:
    """Installed version without the build label, or 'elsewhere'."""
    try:
        # what follows "+" (cpu, cu130) names the build, not the version
        return metadata.version(library).partition("+")[0]
    except metadata.PackageNotFoundError:
        return "elsewhere"  # only in the rule's own environment


class Fingerprint:
    def __init__(self, root, package, libraries=("numpy", "torch"), cache=None):
        self.root, self.package = Path(root), package
        self.libraries = set(libraries)
        self.cache_path = Path(cache) if cache else None
        self.cache, self.dirty = {}, False
        if self.cache_path:
            try:
                self.cache = json.loads(self.cache_path.read_text())
            except (OSError, ValueError):
                pass
        self.seen = {}

    def _path(self, module):
        p = self.root.joinpath(*module.split("."))
        return p.with_suffix(".py") if p.with_suffix(".py").is_file() else p / "__init__.py"

    def _module(self, name):
        """[hash of the tree, modules of the package it imports, libraries it imports]"""
        if name not in self.seen:
            path = self._path(name)
            source = path.read_bytes()
            key = f"{FORMAT}:{name}:{hashlib.sha256(source).hexdigest()}"
            if key not in self.cache:
                tree = ast.parse(source, str(path))
                imports, libraries = self._imports(name, path, tree)
                text = ast.unparse(_without_docstrings(tree))
                digest = hashlib.sha256(text.encode()).hexdigest()
                self.cache[key] = [digest, sorted(imports), sorted(libraries)]
                self.dirty = True
            self.seen[name] = self.cache[key]
        return self.seen[name]

    def _imports(self, name, path, tree):
        parts = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
        imports, libraries = set(), set()
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                found = [(a.name, None) for a in node.names]
            elif isinstance(node, ast.ImportFrom):
                base = node.module or ""
                if node.level:
                    base = ".".join(parts[: len(parts) - node.level + 1] + [base][: bool(base)])
                found = [(base, a.name) for a in node.names]
            else:
                continue
            for base, attribute in found:
                top = base.partition(".")[0]
                if top != self.package:
                    libraries.add(top)
                elif attribute and self._path(f"{base}.{attribute}").is_file():
                    imports.add(f"{base}.{attribute}")
                else:
                    imports.add(base)
        return imports, libraries & self.libraries

    def closure(self, *modules):
        todo, done = list(modules), set()
        while todo:
            name = todo.pop()
            if name not in done:
                done.add(name)
                parts = name.split(".")
                todo += [".".join(parts[:i]) for i in range(1, len(parts))]
                todo += self._module(name)[1]
        return sorted(done)

    def __call__(self, *modules):
        names = self.closure(*modules)
        libraries = sorted({x for n in names for x in self._module(n)[2]})
        versions = [f"{x}=={library_version(x)}" for x in libraries]
        text = json.dumps([FORMAT, [[n, self._module(n)[0]] for n in names], versions])
        self._save()
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def _save(self):
        if self.dirty and self.cache_path:
            self.dirty = False
            try:
                self.cache_path.parent.mkdir(parents=True, exist_ok=True)
                tmp = self.cache_path.with_suffix(f".{os.getpid()}")
                tmp.write_text(json.dumps(self.cache))
                os.replace(tmp, self.cache_path)
            except OSError:
                pass  # only a cache
