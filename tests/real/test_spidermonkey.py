"""SpiderMonkey, whose garbage collector measures itself: what it leaves depends on the clock that it is shown."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from preinit import Host, Options, build
from scripts.real import FOLDER

MODULE = FOLDER / "starlingmonkey" / "starlingmonkey_embedding.wasm"

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not MODULE.exists(), reason="scripts/fetch_real starlingmonkey fetches this module"),
]

#: Makes 300,000 short-lived objects, and keeps a thousand.
SCRIPT = """let words = {};
for (let i = 0; i < 300000; i++) {
  const s = 'key' + (i % 1000); words[s] = (words[s] || 0) + 1; [1,2,3].map(x => ({x, i}));
}
"""

#: Bytes of what wizer 10.0.0 writes for that, whose guest sees the system's clock, and with gzip -6: the smallest of
#: three builds.
PEER, PEER_GZIPPED = 12_285_215, 3_871_077


def test_its_collector_does_its_work_before_the_snapshot(tmp_path: Path) -> None:
    (tmp_path / "main.js").write_text(SCRIPT)
    sees = Host(
        env={"EXPORT_CNT": "0", "IMPORT_CNT": "0", "FEATURE_CLOCKS": "1", "SOURCE_NAME": "main.js"},
        dirs={str(tmp_path): "/"},
        stdin=b"/main.js",
    )

    def built(layout: str) -> bytes:
        return build(MODULE, Options(init_funcs=["componentize.wizer"], host=sees, layout=layout)).wasm  # type: ignore[arg-type]

    assert len(built("size")) <= PEER
    assert len(gzip.compress(built("balanced"), 6, mtime=0)) <= PEER_GZIPPED
