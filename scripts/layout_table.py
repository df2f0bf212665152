"""Raw and gzip sizes and segment counts for a range of segment prices, on the real modules' snapshots."""

from __future__ import annotations

import gzip
import sys

from real import real_modules

from preinit import Host, Options, build
from preinit.binary.module import SectionId, parse
from preinit.passes.rewrite.layout import PRICES

DEFAULT_PRICES = (0, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 512, 1024, 4096)


def main() -> None:
    prices = [int(text) for text in sys.argv[1:]] or DEFAULT_PRICES
    print(f"{'module':<10}{'price':>6}{'raw':>13}{'gzip -6':>12}{'data section':>14}{'its gzip':>11}{'segments':>10}")
    for entry in real_modules():
        options = Options(init_funcs=entry.init_funcs, host=Host(dirs=entry.dirs))
        for price in prices:
            PRICES["balanced"] = price
            result = build(entry.path, options)
            compressed = len(gzip.compress(result.wasm, 6, mtime=0))
            module = parse(result.wasm)
            section = module.section(SectionId.DATA)
            data = bytes(module.payload(section)) if section else b""
            print(
                f"{entry.name:<10}{price:>6}{len(result.wasm):>13,}{compressed:>12,}{len(data):>14,}"
                f"{len(gzip.compress(data, 6, mtime=0)):>11,}{len(module.data_segments):>10,}",
                flush=True,
            )


if __name__ == "__main__":
    main()
