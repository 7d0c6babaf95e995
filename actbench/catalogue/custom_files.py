"""Files with custom functions, which only the command line, a caller or an installed package can name."""

from __future__ import annotations

import hashlib
import importlib
import io
import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from actbench.catalogue.custom_code import LOAD_SECONDS, changed_for_trials, contained, process_kept, shared_by_trials
from actbench.catalogue.registry import Entry, Origin, RegistrationError, added_from, adding_from, forget
from actbench.errors import ConfigurationError, ExpectedError, read_named_file
from actbench.text import describe_exception, said_if_slow

MODULE_PREFIX = "_custom_"
SLOW_SECONDS = 15.0


@dataclass(frozen=True)
class CustomFile:
    """A file with custom functions as it was read, so that every process runs the very same text."""

    path: str
    content: bytes
    checksum: str

    def origin(self) -> Origin:
        """What its entries are said to come from."""
        return Origin(self.path, self.checksum)


_IN_USE: list[CustomFile] = []


def read_custom_file(path: Path) -> CustomFile:
    """The file's content with its checksum; raises `ConfigurationError` where it is none that could be loaded."""
    content = read_named_file(path, "a Python file", ".py")
    return CustomFile(str(path), content, checksum_of(content))


def checksum_of(content: bytes) -> str:
    """SHA-256 of a source, whichever line ends its copy has."""
    lines = content.replace(b"\r\n", b"\n")
    return f"sha256:{hashlib.sha256(lines).hexdigest()}"


def load_custom_file(file: CustomFile) -> tuple[Entry, ...]:
    """Run the file, unless it is loaded, and give its entries; raises `ConfigurationError` with file, line, cause."""
    if file.checksum != checksum_of(file.content):
        raise ConfigurationError(f"{file.path}: its content does not have the checksum {file.checksum}")
    if found := added_from(file.origin()):
        return found
    module = ModuleType(_module_name(file))
    module.__dict__.update(__file__=file.path, print=_say)
    sys.modules[module.__name__] = module
    if b"torch" in file.content:
        with suppress(Exception):  # which the file itself raises again
            importlib.import_module("torch")
    shared = shared_by_trials()
    try:
        with (
            adding_from(file.origin(), module.__name__),
            process_kept(),
            contained(LOAD_SECONDS),
            said_if_slow(f"{file.path}: is still being loaded; Ctrl-C ends this.", SLOW_SECONDS),
        ):
            exec(compile(file.content, file.path, "exec", dont_inherit=True), module.__dict__)
            if changed := changed_for_trials(shared):
                raise RegistrationError(changed)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # whatever the file raises is a mistake in it
        del sys.modules[module.__name__]
        raise ConfigurationError(_mistake(file, error)) from None
    return added_from(file.origin())


@contextmanager
def _descriptor_of_output_kept() -> Iterator[None]:
    """Let what is written to descriptor 1 go to standard error, apart from what `sys.stdout` writes.

    Nothing is changed where `sys.stdout` does not write to descriptor 1, as in a notebook.
    """
    stdout = sys.stdout
    if not isinstance(stdout, io.TextIOWrapper) or _descriptor_of(stdout) != 1:
        yield
        return
    stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    output = os.fdopen(os.dup(kept), "wb")
    sys.stdout = io.TextIOWrapper(output, stdout.encoding, stdout.errors, line_buffering=stdout.line_buffering)
    try:
        yield
        sys.stdout.flush()
    finally:
        with suppress(OSError):  # which a flush without an error before it has raised
            sys.stdout.close()
        sys.stdout = stdout
        with suppress(OSError):
            stdout.flush()  # what has been written to `sys.__stdout__`, while descriptor 1 is standard error
        os.dup2(kept, 1)
        os.close(kept)


def _descriptor_of(stream: io.TextIOWrapper) -> int | None:
    """The descriptor that a stream writes to; None if it writes to memory, or is closed."""
    try:
        return stream.fileno()
    except (OSError, ValueError):
        return None


def _say(*values: object, **options: Any) -> None:
    """What `print` is in such a file, whenever it is called: standard output is for results."""
    print(*values, **{"file": sys.stderr, **options})


def _module_name(file: CustomFile) -> str:
    """A unique name for every file and version, under which dataclasses and type hints find the module."""
    return f"{MODULE_PREFIX}{hashlib.sha256(f'{file.path}{file.checksum}'.encode()).hexdigest()[:16]}"


def _lines_of(file: CustomFile, error: BaseException) -> list[int | None]:
    """The lines of the file that led to an exception, the last one last."""
    return [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file.path]


def _mistake(file: CustomFile, error: BaseException) -> str:
    """The exception as `file:line: what`, with the last line of the file itself that led to it."""
    if isinstance(error, SyntaxError) and error.filename == file.path:
        text = (error.text or "").strip()
        return f"{file.path}:{error.lineno}: {error.msg}" + (f": {text}" if text else "")
    lines = _lines_of(file, error)
    what = str(error) if isinstance(error, RegistrationError) else describe_exception(error)
    return f"{file.path}:{lines[-1]}: {what}" if lines else f"{file.path}: {what}"


@contextmanager
def mistakes_told(files: Sequence[CustomFile]) -> Iterator[None]:
    """Raise `ConfigurationError` with file, line and cause where a function of one of these files fails."""
    try:
        yield
    except (KeyboardInterrupt, ExpectedError):
        raise
    except BaseException as error:  # whatever its functions raise is a mistake in a file
        for file in files:
            if _lines_of(file, error):
                raise ConfigurationError(_mistake(file, error)) from None
        raise


@contextmanager
def custom_files_in_use(paths: Sequence[Path]) -> Iterator[tuple[CustomFile, ...]]:
    """Load the files, each once, and take their entries out of the catalogue at the end."""
    files = tuple({path.resolve(): read_custom_file(path) for path in paths}.values())
    before = list(_IN_USE)
    try:
        with _descriptor_of_output_kept():
            for file in files:
                if file not in _IN_USE:
                    load_custom_file(file)
                    _IN_USE.append(file)
            yield files
    finally:
        for file in _IN_USE[len(before) :]:
            forget(file.origin())
            sys.modules.pop(_module_name(file), None)
        _IN_USE[:] = before


def files_in_use() -> tuple[CustomFile, ...]:
    """The files that are loaded now, as a worker process has to load them too."""
    return tuple(_IN_USE)
