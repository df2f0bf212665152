"""Pages in a real browser: hovering, the keyboard, links, light and dark, narrow and wide."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import preinit
from preinit.report.inspection_page import inspection_page
from tests.support.browser import launched, needs_browser, playwright
from tests.support.modules import build_text, wasm

pytestmark = [needs_browser, pytest.mark.real]

#: Pages 0 to 7: nothing, nothing, a segment, a segment that the initializer changes, nothing, what it writes, nothing.
GUEST = """(module
  (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
  (memory (export "memory") 7)
  (global (export "table_of_primes") i32 (i32.const 131072))
  (data $.rodata (i32.const 131072) "abc") (data $.data (i32.const 196608) "def")
  (func $a_long_name_of_a_function_that_does_not_fit_anywhere_on_a_narrow_page_as_it_has_no_space (export "run"))
  (func (export "wizer-initialize")
    (i32.store8 (i32.const 196608) (i32.const 1))
    (drop (call $random (i32.const 327680) (i32.const 4)))))"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with launched() as chromium:
        yield chromium


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    result = build_text(GUEST)
    path = tmp_path_factory.mktemp("pages") / "page.html"
    page = inspection_page(preinit.inspect(result.wasm, wasm(GUEST)), "out.wasm", result.report)
    path.write_text(page, encoding="utf-8")
    return path


#: Colour schemes and widths, both ways each: a scheme changes colours only.
LOOKS = [("light", 1280), ("dark", 360)]
ALL_LOOKS = [*LOOKS, ("dark", 1280), ("light", 360)]


@pytest.fixture(params=LOOKS, ids=lambda p: f"{p[0]}-{p[1]}")
def page(request: pytest.FixtureRequest, browser: Any, path: Path) -> Iterator[Any]:
    """The page as it is seen with one colour scheme and width. It must say nothing on the console, load nothing."""
    scheme, width = request.param
    context = browser.new_context(
        viewport={"width": width, "height": 700}, color_scheme=scheme, reduced_motion="reduce"
    )
    page = context.new_page()
    said: list[str] = []
    loaded: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda asked: loaded.append(asked.url))
    page.goto(path.as_uri())
    yield page
    assert said == []
    assert loaded == [path.as_uri()]
    context.close()


def point_at_cell(page: Any, cell: int, cells: int) -> None:
    drawing = page.locator(".map svg")
    drawing.scroll_into_view_if_needed()
    # What scrolling hides is hidden with the next frame.
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    box = drawing.bounding_box()
    page.mouse.move(box["x"] + (cell + 0.5) * box["width"] / cells, box["y"] + box["height"] / 2)


def test_hovering_over_a_cell_tells_its_range_its_state_and_its_symbol(page: Any) -> None:
    tip = page.locator("#tip")
    assert not tip.is_visible()
    for cell, state, name in (
        (2, "data of the original: 3 bytes", ".rodata, table_of_primes"),
        (3, "changed by the initializer: 1 byte", ".data"),
        (5, "changed by the initializer: 4 bytes", None),
        (6, "zero", None),
    ):
        point_at_cell(page, cell, 7)
        playwright.expect(tip).to_contain_text(f"page {cell}")
        assert tip.is_visible()
        expected = [
            f"memory 0, page {cell}",
            f"{cell << 16:#x} to {cell + 1 << 16:#x}",
            state,
            *([name] if name else []),
        ]
        assert tip.inner_text().split("\n") == expected
        inside = tip.bounding_box()
        assert inside["x"] >= 0
        assert inside["x"] + inside["width"] <= page.viewport_size["width"]
    page.mouse.move(1, 1)
    playwright.expect(tip).to_be_hidden()


def test_the_keyboard_goes_from_cell_to_cell(page: Any) -> None:
    page.locator("nav a").last.focus()
    tip = page.locator("#tip")
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.className") == "map":
            break
    assert tip.inner_text().startswith("memory 0, page 0\n")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert tip.inner_text().split("\n")[-1] == ".rodata, table_of_primes"
    page.keyboard.press("End")
    assert tip.inner_text().startswith("memory 0, page 6\n0x60000 to 0x70000")
    page.keyboard.press("ArrowRight")  # there is none
    assert tip.inner_text().startswith("memory 0, page 6\n")
    page.keyboard.press("Escape")
    assert not tip.is_visible()


def test_a_tile_tells_its_size_to_pointer_and_focus(page: Any) -> None:
    tile = page.locator(".tile.series-1").first
    tile.hover()
    assert page.locator("#tip").inner_text().startswith("code: ")
    page.mouse.move(1, 1)
    page.keyboard.press("Tab")  # from now on the focus is visible
    tile.focus()
    assert page.locator("#tip").inner_text().startswith("code: ")


def test_links_of_the_contents_lead_to_their_sections(page: Any) -> None:
    links = page.locator("nav a")
    assert links.count() >= 12
    for number in range(links.count()):
        link = links.nth(number)
        link.click()
        target = page.locator(link.get_attribute("href"))
        assert target.locator("h2").inner_text() == link.inner_text()
        top = target.bounding_box()["y"]
        at_the_end = page.evaluate("scrollY + innerHeight >= document.documentElement.scrollHeight - 2")
        assert -2 <= top <= 60 or (at_the_end and 0 <= top < 700)


def test_nothing_is_wider_than_the_page(page: Any) -> None:
    for summary in page.locator("summary").all():
        summary.click()
    width = page.viewport_size["width"]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    too_wide = page.evaluate(
        """(width) => [...document.querySelectorAll("main *, nav *, header *")].filter((each) =>
             !each.closest(".scroll") && each.getBoundingClientRect().right > width + 1).map((each) => each.outerHTML)""",
        width,
    )
    assert too_wide == []


@pytest.mark.parametrize("page", ALL_LOOKS, indirect=True, ids=lambda p: f"{p[0]}-{p[1]}")
def test_text_stands_out_from_its_ground(page: Any) -> None:
    """WCAG 2.2, contrast: 4.5 to 1, https://www.w3.org/TR/WCAG22/#contrast-minimum ."""
    contrasts = page.evaluate(
        """() => {
          const seen = new Map();
          const channels = (colour) => {
            if (!seen.has(colour)) seen.set(colour, drawn(colour));
            return seen.get(colour);
          };
          const drawn = (colour) => {  // understands every notation
            const canvas = document.createElement("canvas").getContext("2d");
            canvas.fillStyle = colour;
            canvas.fillRect(0, 0, 1, 1);
            return [...canvas.getImageData(0, 0, 1, 1).data];
          };
          const light = (rgb) => rgb.slice(0, 3).map((c) => c / 255)
            .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
            .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
          const ground = (each) => {
            for (let at = each; at; at = at.parentElement) {
              const rgba = channels(getComputedStyle(at).backgroundColor);
              if (rgba[3] === 255) return rgba;
            }
          };
          return [...document.querySelectorAll("h1, h2, p, a, td, th, dt, dd, .label, .value, .remark, .tile span, li")]
            .map((each) => {
              const pair = [light(channels(getComputedStyle(each).color)), light(ground(each))].sort((a, b) => b - a);
              return [(pair[0] + 0.05) / (pair[1] + 0.05), each.textContent.slice(0, 40)];
            });
        }"""
    )
    assert len(contrasts) > 50
    assert [text for contrast, text in contrasts if contrast < 4.5] == []


def test_markup_in_names_is_shown_not_run(browser: Any, tmp_path: Path) -> None:
    evil = "<img src=x onerror='document.title=1'></script><script>document.title=2</script>"
    text = f'(module (memory 1) (data $d (i32.const 5) "x") (func (export "{evil}")))'
    path = tmp_path / "evil.html"
    path.write_text(inspection_page(preinit.inspect(wasm(text)), evil), encoding="utf-8")
    page = browser.new_page()
    page.goto(path.as_uri())
    assert page.title() == evil
    assert page.locator("img").count() == 0
    assert page.locator("code", has_text="onerror").count() > 0
    page.close()
