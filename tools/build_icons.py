"""Writes static/vendor/icons.svg, the one sprite of the product, and static/vendor/HASHES.

Needs the unpacked npm packages lucide-static 1.62.0 and simple-icons 16, only to rebuild it:

    npm pack lucide-static@1.62.0 simple-icons@16        # unpack each into FOLDER/<name>/
    python tools/build_icons.py FOLDER
"""

from __future__ import annotations

import hashlib
import re
import sys
from pathlib import Path

VENDOR = Path(__file__).resolve().parent.parent / "static" / "vendor"

# The network marks come from simple-icons (CC0), all else from lucide (ISC).
MARKS = ["bluesky", "mastodon", "reddit", "youtube"]
ICONS = Path(__file__).with_name("icons.txt").read_text().split()


def symbol(name: str, svg: str) -> str:
    """One icon as a <symbol>, without title, comment and line breaks."""
    found = re.search(r"<svg[^>]*>(.*)</svg>", svg, re.DOTALL)
    if found is None:
        raise ValueError(f"{name} is not an SVG")
    shape = re.sub(r"<title>.*?</title>|\s*\n\s*", "", found[1]).replace(" />", "/>").strip()
    return f'<symbol id="{name}" viewBox="0 0 24 24">{shape}</symbol>'


def sprite(packages: Path) -> str:
    """All icons in one SVG. Raises FileNotFoundError for a name that the package lacks."""
    folders = {
        **dict.fromkeys(ICONS, packages / "lucide-static" / "icons"),
        **dict.fromkeys(MARKS, packages / "simple-icons" / "icons"),
    }
    symbols = (symbol(name, (folders[name] / f"{name}.svg").read_text()) for name in sorted(folders))
    return '<svg xmlns="http://www.w3.org/2000/svg">\n' + "\n".join(symbols) + "\n</svg>\n"


def hashes(folder: Path) -> str:
    """One line per file, as `sha256sum -c` reads it."""
    files = sorted(path for path in folder.iterdir() if path.name != "HASHES")
    return "".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files)


if __name__ == "__main__":
    (VENDOR / "icons.svg").write_text(sprite(Path(sys.argv[1])))
    (VENDOR / "HASHES").write_text(hashes(VENDOR))
