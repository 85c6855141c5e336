"""The layers of the house, read from the imports."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FRONT_ENDS = {"httpserver", "wsserver", "bot"}
HOUSE = FRONT_ENDS | {"core", "engine", "cli"}
PURE = {
    *("addresses", "caller", "errors", "eta", "events", "fair_order"),
    *("line", "offers", "request", "status", "turns", "wire"),
}
"""Modules of the core that know no clock and no I/O."""
IMPURE = {"asyncio", "time", "socket", "aiohttp", "threading", "os", "random", "secrets"}


def modules(package: str) -> dict[str, set[str]]:
    """Each module, and what it imports: `core.queues.Queue` for `from core.queues import Queue`."""
    found = {}
    for path in sorted((ROOT / package).rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        found[name] = imports(ast.parse(path.read_text(encoding="utf-8")))
    return found


def imports(tree: ast.AST) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "the house imports by full names"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def within(name: str, *packages: str) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def offenders(found: dict[str, set[str]], *forbidden: str) -> list[str]:
    return [
        f"{module} imports {name}"
        for module, names in found.items()
        for name in sorted(names)
        if within(name, *forbidden)
    ]


def test_core_and_engine_know_no_front_end_and_not_the_roof() -> None:
    assert offenders(modules("core"), *FRONT_ENDS, "cli", "engine") == []
    assert offenders(modules("engine"), *FRONT_ENDS, "cli") == []


@pytest.mark.parametrize("front_end", sorted(FRONT_ENDS))
def test_front_ends_know_neither_each_other_nor_the_engine_nor_the_roof(front_end: str) -> None:
    assert offenders(modules(front_end), *(HOUSE - {front_end, "core"})) == []


@pytest.mark.parametrize("front_end", sorted(FRONT_ENDS))
def test_front_ends_hold_the_core_by_its_public_names(front_end: str) -> None:
    """`from core import X`, and the words that HTTP and the websocket share."""
    public = {f"core.{name}" for name in public_names()}
    deeper = [
        f"{module} imports {name}"
        for module, names in modules(front_end).items()
        for name in sorted(names)
        if within(name, "core") and name not in public and not within(name, "core.wire")
    ]
    assert deeper == []


def public_names() -> set[str]:
    tree = ast.parse((ROOT / "core" / "__init__.py").read_text(encoding="utf-8"))
    lists = [node.value for node in tree.body if isinstance(node, ast.Assign)]
    return {name for names in lists for name in ast.literal_eval(names)}


def test_the_pure_values_know_no_clock_and_no_io() -> None:
    core = modules("core")
    pure = {name: core[name] for name in core if name.removeprefix("core.") in PURE}
    assert len(pure) == len(PURE)
    assert offenders(pure, *IMPURE) == []
    beyond = [
        f"{module} imports {name}"
        for module, names in pure.items()
        for name in sorted(names)
        if within(name, "core") and name.split(".")[1] not in PURE
    ]
    assert beyond == [], "what is pure stands on what is pure"


def test_what_says_that_it_is_pure_imports_no_clock_and_no_io() -> None:
    pure = {}
    for package in sorted(HOUSE):
        for path in sorted((ROOT / package).rglob("*.py")):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            if "Pure" in (ast.get_docstring(tree) or ""):
                pure[str(path.relative_to(ROOT))] = imports(tree)
    assert len(pure) > 20
    assert offenders(pure, *IMPURE) == []


def test_gateway_and_worker_stand_on_the_queue_and_never_know_each_other() -> None:
    core = modules("core")
    below = {name: names for name, names in core.items() if within(name, "core.worker", "core.backends")}
    del below["core.worker.__main__"]  # a program, which opens what it needs
    assert offenders(below, "core.gateway", "core.connect") == []
    assert offenders({"core.gateway": core["core.gateway"]}, "core.worker", "core.backends") == []
    queues = {name: names for name, names in core.items() if within(name, "core.queues")}
    assert offenders(queues, "core.gateway", "core.worker", "core.backends", "core.connect") == []


def test_http_is_spoken_by_the_backends_the_http_front_end_and_the_engine_alone() -> None:
    speakers = {
        name: names
        for package in sorted(HOUSE)
        for name, names in modules(package).items()
        if not within(name, "core.backends", "httpserver", "engine", "cli", "bot")
    }
    assert offenders(speakers, "aiohttp") == []


def test_no_front_end_knows_where_the_jobs_are_stored() -> None:
    for front_end in FRONT_ENDS:
        assert offenders(modules(front_end), "redis", "valkey") == []


def test_redis_is_spoken_by_the_homes_on_valkey_alone() -> None:
    speakers = {
        name: names
        for package in sorted(HOUSE)
        for name, names in modules(package).items()
        if not within(name, "core.queues.valkey", "core.coordination.valkey")
    }
    assert offenders(speakers, "redis") == []
