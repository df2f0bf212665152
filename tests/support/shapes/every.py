"""All shapes that there are, those of fixtures/shapes too."""

from __future__ import annotations

from tests.support.places import FIXTURES
from tests.support.shapes import references, state

#: Modules of all sorts with an initializer.
SHAPES: dict[str, str] = {
    **state.SHAPES,
    **{name: text for name, (text, _) in references.SHAPES.items()},
    **{path.stem: path.read_text() for path in sorted((FIXTURES / "shapes").glob("*.wat"))},
}
