"""Follow a page that adds something, to the letter.

A section whose heading names a file changes it: a block of `diff` is what is there and what is to be there, a block of `python` is a new
file. Blocks of `sh` are commands.
"""

import os
import re
import shutil
import subprocess

from tools import ROOT

_OURS = (".git", ".build", ".sim", "*_cache", ".hypothesis", "__pycache__", "nodes", "config.json")
_LINKED = (".venv", ".toolchain")  # what the set-up brings
_LONGEST_S = 300


class Page:
    def __init__(self, name):
        self.text = (ROOT / "docs" / name).read_text(encoding="utf-8")

    def spoken(self):
        """What stands in backticks, code blocks left out."""
        return re.findall(r"`([^`]+)`", re.sub(r"```.*?```", "", self.text, flags=re.S))

    def commands(self):
        blocks = re.findall(r"```sh\n(.*?)```", self.text, re.S)
        return [line for block in blocks for line in block.splitlines()]

    def files(self):
        """{file: its text, once the page was followed}."""
        found = {}
        for section in re.split(r"^## ", self.text, flags=re.M)[1:]:
            named = re.match(r"[^\n]*`([\w./-]+)`\n", section)
            for kind, block in re.findall(r"```(diff|python)\n(.*?)```", section, re.S):
                file = named[1]
                if kind == "python":
                    assert not (ROOT / file).exists(), f"{file} is there"
                    found[file] = block
                    continue
                text = found.get(file) or (ROOT / file).read_text(encoding="utf-8")
                before, after = _sides(block)
                assert text.count(before) == 1, f"{file} has {text.count(before)} times:\n{before}"
                found[file] = text.replace(before, after)
        return found


def _sides(block):
    """(what is there, what is to be there) of a block of `diff`."""
    lines = block.splitlines(keepends=True)
    assert all(line[0] in " +-" for line in lines), block
    return tuple("".join(line[1:] for line in lines if line[0] in signs) for signs in (" -", " +"))


def copy_of_the_repository(folder, files):
    """Make one in a folder, with these files: {file: text}."""
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(*_OURS, *_LINKED))
    for name in _LINKED:
        (folder / name).symlink_to(ROOT / name)
    for file, text in files.items():
        (folder / file).write_text(text, encoding="utf-8")


def run(command, folder):
    """Give a command of a page; it must end well."""
    done = subprocess.run(
        command,
        shell=True,
        cwd=folder,
        env={name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=_LONGEST_S,
    )
    assert done.returncode == 0, f"{command}:\n{done.stdout[-3000:]}"
