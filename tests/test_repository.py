"""The rules of the house that a tool cannot check: layers, lengths, formats, the tree."""

import ast
import re
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("m3_backbone", "labels", "predictor", "scripts")
COMMANDS = (
    "label",
    "compact",
    "importing",
    "audit",
    "oracle",
    "profile",
    "train",
    "ablate",
    "verify",
    "ask",
    "report",
    "serve",
    "demo",
    "finetune",
    "convert",
    "hub",
)
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
FOLDERS = sorted({path.parent for path in SOURCES})

GROUND = (
    "arguments",
    "scales",
    "images",
    "data_uris",
    "pixels",
    "videos",
    "files",
    "serialization",
    "schemas",
    "half",
    "pooling",
    "processes",
)
"""What every package may import of m3_backbone."""

# What a package may import of ours beside itself; a single file may be allowed more.
ALLOWED = {
    "m3_backbone": {"m3_backbone"},
    # How answers are drawn: settings alone, without torch.
    "labels": {"labels", "m3_backbone.inference.sampling"}
    | {f"m3_backbone.{name}" for name in GROUND},
    "predictor": {"predictor", "labels.oracle", *(f"m3_backbone.{name}" for name in GROUND)},
    "predictor/adaptive.py": {"m3_backbone.backbone", "m3_backbone.inference.sampling"},
    # Settings alone, without torch.
    "predictor/requests/request.py": {"m3_backbone.inference.sampling"},
    "predictor/requests/routing.py": {"m3_backbone.backbone"},
    "scripts": set(PACKAGES),
}

# The floors of each package, lowest first: a room (folder or file) imports rooms of lower floors.
# On the ground floor alone neighbours may import each other.
FLOORS = {
    "m3_backbone": (
        {"scales", "images", "data_uris", "pixels", "videos", "files", "serialization", "schemas"}
        | {"arguments", "half", "pooling", "flops", "foreign", "exchange", "processes"},
        {"hosts"},
        {"inference", "checkpoints"},
        {"vllm_plugin"},
        {"training", "backbone"},
    ),
    "labels": (
        {"questions", "oracle", "cells"},
        {"metrics", "outcomes", "scenes"},
        {"sources", "labelling", "importing", "audit"},
    ),
    "predictor": (
        {"clusters", "data", "rows", "splitting"},
        {"routers", "routing_metrics"},
        {"features", "policy", "report"},
        {"bundle"},
        {"training", "requests"},
        {"evaluation", "adaptive"},
    ),
    "scripts": (
        {"terminal"},
        {"finetuning"},
        {"stages"},
        {"serving"},
        {*COMMANDS, "benchmarks", "harnesses"},
        {"cli"},
        {"fuzzing"},
    ),
}


def name(path):
    return path.relative_to(ROOT).as_posix()


def module_of(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in SOURCES}


def our_imports(path):
    """Modules of ours that a file imports, also in functions and under TYPE_CHECKING."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        imported = []
        if isinstance(node, ast.Import):
            imported = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name(path)}: relative import in line {node.lineno}"
            # `from a import b` is a.b where that is a module, else a.
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            imported = [one if one in MODULES else str(node.module) for one in inner]
        yield from (one for one in imported if one.split(".")[0] in (*PACKAGES, "tests"))


IMPORTS = {module: set(our_imports(path)) for module, path in MODULES.items()}


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_imports_are_written_as_imports(path):
    # The rules of layers read import statements; of modules that are named by a text they see none.
    if name(path) != "scripts/cli.py":
        text = path.read_text(encoding="utf-8")
        assert "import_module" not in text, f"{name(path)} imports by name"
        assert "__import__" not in text, f"{name(path)} imports by name"


def is_allowed(module, allowed):
    return any(module == entry or module.startswith(f"{entry}.") for entry in allowed)


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_packages_import_only_packages_below(path):
    allowed = ALLOWED[path.relative_to(ROOT).parts[0]] | ALLOWED.get(name(path), set())
    wrong = [one for one in IMPORTS[module_of(path)] if not is_allowed(one, allowed)]
    assert not wrong, f"{name(path)} imports {wrong}; allowed: {sorted(allowed)}"


@pytest.mark.parametrize("package", PACKAGES)
def test_rooms_import_only_rooms_of_lower_floors(package):
    floor_of = {room: k for k, floor in enumerate(FLOORS[package]) for room in floor}
    rooms = {path.stem for path in (ROOT / package).iterdir() if not path.stem.startswith("__")}
    assert rooms == set(floor_of)
    wrong = []
    for module, imported in IMPORTS.items():
        if module.split(".")[0] != package or module == package:
            continue
        room = module.split(".")[1]
        for one in imported:
            if one.startswith(f"{package}.") and (target := one.split(".")[1]) != room:
                lower = floor_of[target] < floor_of[room]
                if not lower and not floor_of[target] == floor_of[room] == 0:
                    wrong.append(f"{module} -> {one}")
    assert not wrong


def find_cycle(graph):
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1]
    return None


def test_no_import_circle():
    graph = {module: imported - {module} for module, imported in IMPORTS.items()}
    assert find_cycle(graph) is None


@pytest.mark.parametrize("folder", FOLDERS, ids=name)
def test_no_circle_between_the_rooms_of_a_folder(folder):
    depth = len(folder.relative_to(ROOT).parts)
    prefix = module_of(folder / "__init__.py")
    graph = {}
    for module, imported in IMPORTS.items():
        if module.startswith(f"{prefix}."):
            room = module.split(".")[depth]
            targets = {o.split(".")[depth] for o in imported if o.startswith(f"{prefix}.")}
            graph.setdefault(room, set()).update(targets - {room})
    assert find_cycle(graph) is None


@pytest.mark.parametrize("folder", FOLDERS, ids=name)
def test_a_folder_shows_at_most_17_files(folder):
    assert len([path for path in folder.glob("*.py") if path.stem != "__init__"]) <= 17


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_no_module_imports_a_command(path):
    if path.parent.name == "fuzzing":
        return  # it calls them all, as a user does
    commands = {f"scripts.{command}" for command in (*COMMANDS, "cli")}
    assert not commands.intersection(IMPORTS[module_of(path)])


def test_scales_import_without_torch():
    code = (
        "import sys, m3_backbone.scales; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def count_lines(nodes):
    """Lines of statements, without what tables and dict literals take beyond one line each."""
    if not nodes:
        return 0
    lines = nodes[-1].end_lineno - nodes[0].lineno + 1
    waiting = list(nodes)
    while waiting:
        node = waiting.pop()
        if isinstance(node, (ast.Dict, ast.List, ast.Tuple, ast.Set)):
            lines -= node.end_lineno - node.lineno
        else:
            waiting += ast.iter_child_nodes(node)
    return lines


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_lengths(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 400, f"{name(path)} is longer than 400 lines"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            assert count_lines(body) <= 40, f"{name(path)}: {node.name} is longer than 40 lines"


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


@pytest.mark.parametrize("folder", FOLDERS, ids=name)
def test_package_init_is_one_docstring(folder):
    body = ast.parse((folder / "__init__.py").read_text(encoding="utf-8")).body
    assert len(body) == 1
    assert isinstance(body[0], ast.Expr)


def test_test_folders_are_not_packages():
    assert not list((ROOT / "tests").rglob("__init__.py"))


def test_tests_lie_where_their_sources_lie():
    folders = {path.parent for path in (ROOT / "tests").rglob("*.py")} - {ROOT / "tests"}
    assert not [f for f in folders if ROOT / f.relative_to(ROOT / "tests") not in FOLDERS]


def read_tree():
    """The paths of the tree of the architecture: folders end in a slash, a job after each."""
    block = (ROOT / "docs/architecture.md").read_text(encoding="utf-8").split("```")[1]
    paths, folders = [], []
    for line in block.strip("\n").splitlines():
        entry, _, job = line.strip().partition(" ")
        assert job.strip(), f"the tree says nothing about {entry}"
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


def test_the_tree_lists_only_what_is_there():
    tree = read_tree()
    assert len(tree) == len(set(tree))
    assert not [path for path in tree if not list(ROOT.glob(path))]


def test_the_tree_lists_all_that_is_there():
    tree = read_tree()
    # A folder that is not broken down in the tree stands for everything in it.
    whole = [
        path
        for path in tree
        if path.endswith("/") and not any(o.startswith(path) and o != path for o in tree)
    ]
    listed = {file.relative_to(ROOT).as_posix() for path in tree for file in ROOT.glob(path)}
    missing = [
        path
        for path in list_files()
        if path not in listed and not any(path.startswith(folder) for folder in whole)
    ]
    assert not missing, f"the tree leaves out {missing}"


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_links_lead_to_what_is_there(page):
    """Of pages outside docs/, whose links `make docs` checks."""
    text = (ROOT / page).read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)]*)\)", text) if "://" not in link]
    assert links
    for link in links:
        path, _, anchor = link.partition("#")
        target = (ROOT / page).parent / path
        assert target.is_file() or target.is_dir(), link
        if anchor:
            titles = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {
                re.sub(r"[^a-z0-9 -]", "", t.lower()).replace(" ", "-") for t in titles
            }
