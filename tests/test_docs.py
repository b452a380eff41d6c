"""Code in the documents runs, and the command line is documented as it is."""

import re
from pathlib import Path

import pytest

from kinefuse.cli import main

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted(str(path.relative_to(ROOT)) for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
COMMANDS = ("demo", "run", "check", "import", "export", "view", "prepare", "train", "synthesize", "evaluate", "study")


def python_blocks(path: Path) -> list[str]:
    """Return the Python code blocks of a Markdown file."""
    return re.findall(r"^```python\n(.*?)^```", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def run_blocks(path: Path) -> int:
    """Run the Python blocks of a document one after the other, in one namespace; return how many there were."""
    blocks = python_blocks(path)
    namespace: dict[str, object] = {"__name__": "document"}
    for block in blocks:
        exec(compile(block, str(path), "exec"), namespace)
    return len(blocks)


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_python_blocks_run(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_blocks(ROOT / name) >= 1
    if name == "README.md":
        assert "the right knee bends up to" in capsys.readouterr().out


@pytest.mark.parametrize("command", COMMANDS)
def test_options_are_documented(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
    section = re.split(r"^## ", text.split(f"## kinefuse {command}")[1], flags=re.MULTILINE)[0]
    documented = set(re.findall(r"^\| `(--[a-z-]+)", section, flags=re.MULTILINE))
    assert main([command, "--help"]) == 0
    existing = set(re.findall(r"(--[a-z-]+)", capsys.readouterr().out)) - {"--help"}
    assert documented == existing


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_and_pictures_lead_somewhere(name: str) -> None:
    path = ROOT / name
    links = re.findall(r"\[[^]]*\]\(([^)#]+)\)", path.read_text(encoding="utf-8"))
    missing = [link for link in links if "://" not in link and not (path.parent / link).exists()]
    assert not missing


def test_the_index_names_every_document() -> None:
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    pages = [str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").rglob("*.md")]
    assert not [page for page in pages if page != "README.md" and f"({page})" not in index]


def test_commands_in_the_readme_exist() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = "".join(re.findall(r"^```bash\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL))
    used = set(re.findall(r"^kinefuse (\w+)", blocks, flags=re.MULTILINE))
    assert used
    assert used <= set(COMMANDS)
    targets = set(re.findall(r"^make (\w+)", blocks, flags=re.MULTILINE))
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert targets
    assert all(re.search(rf"^{target}:", makefile, flags=re.MULTILINE) for target in targets)
