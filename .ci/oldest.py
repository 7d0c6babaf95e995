"""Run the tests marked `oldest` with the oldest versions that pyproject.toml allows.

`python .ci/oldest.py [PACKAGE...]` makes an environment in a temporary folder, with a constraint `name==bound` for each
requirement `name>=bound`. Packages named on the command line are not constrained.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import tomllib
import venv
from collections.abc import Collection, Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
REQUIREMENT = re.compile(r"(?P<name>[\w.-]+)>=(?P<bound>[\w.]+)")
EXTRAS = ("test",)


def constraints(skipped: Collection[str]) -> Iterator[str]:
    """The lower bound of every dependency, and of what the tests need, as an exact version."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    for requirement in [*project["dependencies"], *(line for extra in EXTRAS for line in extras[extra])]:
        match = REQUIREMENT.match(requirement)
        if match and match["name"] not in skipped:
            yield f"{match['name']}=={match['bound']}"


def main(skipped: Collection[str]) -> int:
    """Install the oldest versions and run the marked tests; the exit code of pytest."""
    with tempfile.TemporaryDirectory() as folder:
        file, python = Path(folder) / "constraints.txt", Path(folder) / "venv" / "bin" / "python"
        file.write_text("\n".join(constraints(skipped)) + "\n", encoding="utf-8")
        venv.create(python.parent.parent, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "-c", file, "-e", f"{ROOT}[{','.join(EXTRAS)}]"], check=True)
        tests = [python, "-m", "pytest", "-n", "auto", "-m", "oldest", "-W", "default::DeprecationWarning"]
        return subprocess.run(tests, cwd=ROOT, check=False).returncode  # old packages warn about newer ones below them


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
