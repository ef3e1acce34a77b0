#!/usr/bin/env python3
"""Checks that the C++ shown in docs/extending.md is that of examples/extension, white space and "..." aside.

    check_snippets.py PROJECT_FOLDER
"""

import re
import sys
from pathlib import Path


def dense(text):
    return re.sub(r"\s", "", text)


def main():
    project = Path(sys.argv[1])
    sources = [dense(path.read_text(encoding="utf-8")) for path in (project / "examples/extension").glob("*.cpp")]
    document = (project / "docs/extending.md").read_text(encoding="utf-8")
    snippets = re.findall(r"^```cpp\n(.*?)^```", document, re.DOTALL | re.MULTILINE)
    if len(snippets) < 6:
        sys.exit(f"{len(snippets)} snippets instead of one for the main and one for each of five parts")
    for snippet in snippets:
        for piece in re.split(r"^ *\.\.\.\n|\n\n", snippet, flags=re.MULTILINE):
            if not any(dense(piece) in source for source in sources):
                sys.exit(f"docs/extending.md shows what examples/extension does not have:\n{piece}")


if __name__ == "__main__":
    main()
