"""The rules of the house that a tool cannot check: layers, lengths, formats, README's tree."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("m3_backbone", "labels", "predictor", "scripts")
COMMANDS = (
    *("label", "compact", "importing", "audit", "oracle", "profile", "train", "ablate", "verify"),
    *("ask", "report", "demo", "finetune", "convert", "push", "pull"),
)
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))

# What a package may import of ours beside itself; a single file may be allowed more.
ALLOWED = {
    "m3_backbone": {"m3_backbone"},
    "labels": {"labels", "m3_backbone.scales", "m3_backbone.images"},
    "predictor": {"predictor", "m3_backbone.scales"},
    "predictor/adaptive.py": {"m3_backbone.backbone"},
    "scripts": set(PACKAGES),
}


def name(path):
    return path.relative_to(ROOT).as_posix()


def our_imports(path):
    """Every module of ours that a file imports, also inside functions: `from a import b` is a.b."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        found = []
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name(path)}: relative import in line {node.lineno}"
            source = str(node.module)
            found = [source if "." in source else f"{source}.{a.name}" for a in node.names]
        yield from (module for module in found if module.split(".")[0] in (*PACKAGES, "tests"))


def is_allowed(module, allowed):
    return any(module == entry or module.startswith(f"{entry}.") for entry in allowed)


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_imports_point_down(path):
    allowed = ALLOWED[path.relative_to(ROOT).parts[0]] | ALLOWED.get(name(path), set())
    wrong = [module for module in our_imports(path) if not is_allowed(module, allowed)]
    assert not wrong, f"{name(path)} imports {wrong}; allowed: {sorted(allowed)}"


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_no_module_imports_a_command(path):
    commands = {f"scripts.{command}" for command in (*COMMANDS, "cli")}
    assert not commands.intersection(our_imports(path))


def test_scales_import_without_torch():
    code = (
        "import sys, m3_backbone.scales; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_lengths(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 300, f"{name(path)} is longer than 300 lines"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            length = body[-1].end_lineno - body[0].lineno + 1 if body else 0
            assert length <= 40, f"{name(path)}: the body of {node.name} has {length} lines"


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_nothing_is_unpickled_or_left_open(path):
    text = path.read_text(encoding="utf-8")
    imported = {
        alias.name.split(".")[0]
        for node in ast.walk(ast.parse(text))
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for alias in [*node.names, ast.alias(str(getattr(node, "module", "")))]
    }
    assert not imported & {"pickle", "joblib", "dill", "cloudpickle", "shelve", "marshal"}
    for word in (
        "allow_pickle=True",
        "weights_only=False",
        "raise NotImplementedError",
        "TO" + "DO",
    ):
        assert word not in text, f"{name(path)} contains {word}"


@pytest.mark.parametrize("package", PACKAGES)
def test_package_init_is_one_docstring(package):
    body = ast.parse((ROOT / package / "__init__.py").read_text(encoding="utf-8")).body
    assert len(body) == 1
    assert isinstance(body[0], ast.Expr)


def test_test_folders_are_not_packages():
    assert not list((ROOT / "tests").rglob("__init__.py"))


def read_tree():
    """The paths of README's tree: folders end in a slash, two spaces a level, a job after each."""
    block = (ROOT / "README.md").read_text(encoding="utf-8").split("## The tree")[1].split("```")[1]
    paths, folders = [], []
    for line in block.strip("\n").splitlines():
        entry, _, job = line.strip().partition(" ")
        assert job.strip(), f"README's tree says nothing about {entry}"
        level = (len(line) - len(line.lstrip(" "))) // 2
        folders = [*folders[:level], entry]
        paths.append("".join(folders))
    return paths


def list_files():
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    return [path for path in listed.stdout.splitlines() if (ROOT / path).is_file()]


def test_readme_tree_lists_only_what_is_there():
    tree = read_tree()
    assert len(tree) == len(set(tree))
    assert not [path for path in tree if not (ROOT / path).exists()]


def test_readme_tree_lists_all_that_is_there():
    tree = read_tree()
    # A folder that is not broken down in the tree stands for everything in it.
    whole = [
        path
        for path in tree
        if path.endswith("/") and not any(o.startswith(path) and o != path for o in tree)
    ]
    missing = [
        path
        for path in list_files()
        if path not in tree and not any(path.startswith(folder) for folder in whole)
    ]
    assert not missing, f"README's tree leaves out {missing}"
