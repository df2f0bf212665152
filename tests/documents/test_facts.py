"""What the pages say of the program is so: codes, options, rooms, figures, links."""

from __future__ import annotations

import ast
import re

import click
import pytest

from preinit.cli.group import group
from scripts import bench_list, code_tables, figures, figures_file, figures_tables, figures_words
from tests.support.pages import PAGES
from tests.support.places import PACKAGE, ROOT

TEXTS = {page.relative_to(ROOT).as_posix(): page.read_text(encoding="utf-8") for page in PAGES}
#: Pages at the top that have no blocks to run, too.
ALL_TEXTS = TEXTS | {name: (ROOT / name).read_text(encoding="utf-8") for name in ("CONTRIBUTING.md", "CHANGELOG.md")}

#: Options of other programs.
FOREIGN = {
    "--disable-compact-imports", "--features", "--import-memory", "--no-turbo-fast-api-calls", "--pdb", "--quick",
    "--release", "--stack-first", "--target", "--translate-to-exnref", "--std"}  # fmt: skip
#: The beginning of wizer's older ones, which are taken and mean nothing: `--wasm-...`.
IGNORED = {"--wasm"}
#: Options of scripts/, which the figures were measured with.
OF_SCRIPTS = {
    "--check",
    "--json",
    "--layouts",
    "--ondemand",
    "--parts",
    "--programs",
    "--requests",
    "--rounds",
    "--sizes",
    "--turns",
}

#: What only a measurement can have said.
MEASURED = re.compile(
    r"\b20\d\d-\d\d-\d\d\b|\d (?:ms|us|microseconds?|milliseconds?)\b|\d times (?:as|faster|less|more)\b"
)
#: How lines begin that tell such a figure and are no measurement.
NOT_MEASURED = ("- a wall clock that stands at 0, and a monotonic clock",)

#: A page of the repository.
LINK = re.compile(r"\]\((?![a-z]+:)([^)#\s]*)(?:#([^)\s]*))?\)")


def test_the_front_page_is_short() -> None:
    assert len(TEXTS["README.md"].splitlines()) <= 220


def test_the_tables_of_codes_are_those_of_the_program() -> None:
    page = TEXTS["docs/troubleshooting.md"]
    assert code_tables.page(page) == page, "run scripts/code_tables"


def test_every_code_of_an_error_is_in_the_tables() -> None:
    """Wherever in the program its class is."""
    codes = {
        statement.value.value
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef) and {getattr(base, "id", "") for base in node.bases} - {"NamedTuple"}
        for statement in node.body
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Constant)
        if [getattr(target, "id", "") for target in statement.targets] == ["code"]
    }
    told = {error.code for home in code_tables.HOMES for error in code_tables.errors(home)}
    assert len(codes) > 30
    assert codes <= told


def test_every_code_of_a_warning_is_literal() -> None:
    codes = [warning.code for warning in code_tables.warnings()]
    assert len(codes) > 15
    assert all(re.fullmatch("[a-z-]+", code) for code in codes)


def test_warnings_that_are_explained_exist() -> None:
    table = TEXTS["docs/hazards.md"].partition("## Audit")[0]
    explained = set(re.findall(r"`([a-z]+-[a-z]+)`", table))
    assert explained
    assert explained <= {warning.code for warning in code_tables.warnings()}


def test_pages_and_the_chart_show_the_figures_of_the_file() -> None:
    texts, places = figures.written(figures_file.load())
    assert {place.page for place in places} >= {"README.md", "docs/comparison.md", "docs/start.svg"}
    assert not figures.different(texts), "run scripts/figures"


def test_all_figures_of_the_file_can_be_written_and_are_shown() -> None:
    _, places = figures.written(figures_file.load())
    assert {*figures_tables.TABLES, *figures_words.WORDS} <= {place.name for place in places}
    assert set(bench_list.BENCHMARKS) == {name for place in places for name in place.benchmarks}


def test_the_functions_that_cpython_needs_are_those_that_its_recipe_shows() -> None:
    """What the recipe shows is compared with a build."""
    row = figures_file.load().row("functions", "functions", module="cpython")
    shown = f"{row['compiled']:,} of {row['functions']:,} functions compiled"
    assert shown in TEXTS["docs/recipes/cpython.md"], "run scripts/bench_all functions, then scripts/figures"


@pytest.mark.parametrize("page", TEXTS)
def test_no_figure_that_was_measured_is_typed(page: str) -> None:
    """Days, short durations and ratios of them stand only where scripts/figures writes them."""
    text = figures.MARK.sub("", TEXTS[page])
    text = re.sub(r"^```.*?^```$|`[^`\n]*`", "", text, flags=re.DOTALL | re.MULTILINE)
    typed = {line.strip() for line in text.splitlines() if MEASURED.search(line)}
    assert {line for line in typed if not any(line.startswith(known) for known in NOT_MEASURED)} == set()


@pytest.mark.parametrize("page", ALL_TEXTS)
def test_links_lead_somewhere(page: str) -> None:
    prose = re.sub(r"^```.*?^```$", "", ALL_TEXTS[page], flags=re.DOTALL | re.MULTILINE)
    for target, anchor in LINK.findall(prose):
        path = (ROOT / page).parent / target if target else ROOT / page
        assert path.exists(), f"{page}: {target}"
        if anchor:
            assert anchor in anchors(path.read_text(encoding="utf-8")), f"{page}: {target}#{anchor}"


def anchors(text: str) -> set[str]:
    """What headings are called in links: in lower case, without punctuation, words joined."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_page_is_in_the_index() -> None:
    index = {target for target, _ in LINK.findall(TEXTS["docs/README.md"])}
    assert index == {name.removeprefix("docs/") for name in TEXTS} - {"README.md"}


def test_every_room_is_on_the_map() -> None:
    rows = re.findall(r"^\| \d+ \| `(\w+)/` \|", TEXTS["docs/architecture.md"], re.MULTILINE)
    assert sorted(rows) == sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))


def test_every_pass_is_on_the_map() -> None:
    rows = re.findall(r"^\| `(\w+)/` \|", TEXTS["docs/architecture.md"], re.MULTILINE)
    assert sorted(rows) == sorted(path.parent.name for path in PACKAGE.glob("passes/*/__init__.py"))


def test_every_script_is_listed() -> None:
    listed = re.findall(r"^\| `scripts/(\w+)`(?:, `scripts/(\w+)`)? \|", (ROOT / "CONTRIBUTING.md").read_text(), re.M)
    scripts = {path.name for path in (ROOT / "scripts").iterdir() if path.is_file() and not path.suffix}
    assert {name for names in listed for name in names if name} == scripts


def test_every_option_that_is_shown_exists() -> None:
    known = FOREIGN | IGNORED | OF_SCRIPTS | {"--help", "--version"}
    with click.Context(group) as context:
        commands = [group.get_command(context, name) for name in group.list_commands(context)]
    for command in commands:
        assert command
        known |= {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    for page, text in ALL_TEXTS.items():
        shown = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*[a-z]", text))
        assert shown <= known, f"{page}: {sorted(shown - known)}"
