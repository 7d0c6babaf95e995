"""Experiment files: YAML to a frozen Experiment, or every mistake in it, all in one go."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from actbench.catalogue.registry import did_you_mean
from actbench.choices import shown
from actbench.compatibility import conflicts
from actbench.errors import ConfigurationError
from actbench.expectations import read_expectations
from actbench.experiment import NAME_LENGTH, SECTIONS, Expectation, Experiment, Factor, Values
from actbench.settings import DEFAULT_HIDDEN, TrialSettings
from actbench.validation import Mistake, SettingPath, sentences, validated_setting, varied_values
from actbench.yaml_source import LARGEST_FILE_BYTES, Problem, Source, dotted_path, read_yaml

KNOWN_KEYS = ("name", *SECTIONS, "vary", "seeds", "baseline", "expect")
LATER_KEYS = ("tune",)
MOST_SEEDS = 10_000
MOST_ARMS = 10_000
MOST_TRIALS = 100_000
DEFAULT_SEEDS = 10
SETTING_PARTS = ((), ("vary",), *((section,) for section in SECTIONS))


@dataclass(frozen=True)
class Loaded:
    """An experiment that can run, and what its author should know about it all the same."""

    experiment: Experiment
    warnings: tuple[str, ...]


def load_experiment(path: Path, overrides: Sequence[str] = ()) -> Loaded:
    """Read an experiment file; raises `ConfigurationError` with every mistake as `file:line:column: path: sentence`."""
    source = read_yaml(_read_text(path), str(path))
    for override in overrides:
        _apply_override(source, override)
    return _Loader(source).load(default_name=path.stem)


def _read_text(path: Path) -> str:
    try:
        if path.is_dir():
            raise ConfigurationError(f"{path}: expected an experiment file, found a folder")
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE_BYTES + 1)
        if len(content) > LARGEST_FILE_BYTES:
            raise ConfigurationError(f"{path}:1:1: expected at most {LARGEST_FILE_BYTES:,} bytes")
        return content.decode("utf-8-sig")
    except FileNotFoundError:
        near = did_you_mean(path.name, [p.name for p in path.parent.glob("*.y*ml")] if path.parent.is_dir() else [])
        raise ConfigurationError(f"{path}: no such file{near}") from None
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path}: not UTF-8 text (byte {error.start}): save it as UTF-8") from None
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read ({error.strerror})") from None


def _apply_override(source: Source, override: str) -> None:
    """Set `section.field=value` or `vary.section.field=[...]` in the data, as if the file said so."""
    key, equals, text = override.partition("=")
    key, place = key.strip(), f"--set {override}"
    parts = key.split(".")
    path: SettingPath = (
        (parts[0], ".".join(parts[1:])) if parts[0] in ("vary", "baseline") and parts[1:] else tuple(parts)
    )
    if not equals or not key:
        source.problems.append(Problem(place, (), "expected key=value, as in train.epochs=3"))
        return
    given = read_yaml(text or "~", place)
    if given.problems or not isinstance(source.data, dict):
        source.problems += [Problem(place, path, problem.message) for problem in given.problems]
        return
    if isinstance(source.data.get("vary"), dict) and key in source.data["vary"]:
        source.problems.append(Problem(place, path, f"this experiment varies {key}: set vary.{key}=[...] instead"))
        return
    target = source.data
    for depth, part in enumerate(path[:-1], start=1):
        inner = target.get(part)
        if inner is None:
            inner = {}
            source.places[path[:depth]] = place
        target[part] = inner
        if not isinstance(inner, dict):
            source.problems.append(Problem(place, path, f"{part} is not a mapping"))
            return
        target = inner
    target[path[-1]] = given.data
    source.places = {p: where for p, where in source.places.items() if p[: len(path)] != path}
    source.places |= {(*path, *p): place for p in given.places}


@dataclass
class _Loader:
    """The steps from data to experiment; they share the source's list of problems."""

    source: Source
    warnings: list[str] = field(default_factory=list)

    def load(self, default_name: str) -> Loaded:
        data = self.source.data
        experiment = None
        if isinstance(data, dict):
            self._check_keys(data)
            settings = self._settings(data)
            factors = tuple(self._factors(data.get("vary")))
            experiment = Experiment(
                name=self._name(data.get("name"), default_name),
                settings=settings,
                factors=factors,
                seeds=self._seeds(data.get("seeds")),
                baseline=self._baseline(data.get("baseline"), factors),
            )
            experiment = replace(experiment, expectations=self._expectations(data.get("expect"), experiment))
            if not any(problem.path[:1] in SETTING_PARTS for problem in self.source.problems):
                self._check_arms(experiment)
        elif not self.source.problems:
            self._problem((), f"expected settings such as `model:` and `train:`, found {shown(data)}")
        if self.source.problems or experiment is None:
            raise ConfigurationError("\n".join(dict.fromkeys(map(str, sorted(self.source.problems, key=_by_place)))))
        return Loaded(experiment, tuple(self.warnings))

    def _problem(self, path: SettingPath, message: str) -> None:
        self.source.problems.append(Problem(self.source.place(path), path, message))

    def _check_keys(self, data: dict[str, Any]) -> None:
        for key in data:
            if key in LATER_KEYS:
                self._problem((key,), f"`{key}` is not supported yet by this version of actbench: take it out")
            elif key not in KNOWN_KEYS:
                near = did_you_mean(key, (*KNOWN_KEYS, *LATER_KEYS)) or f"; known here: {', '.join(KNOWN_KEYS)}"
                self._problem((key,), f"unknown key{near}")

    def _settings(self, data: dict[str, Any]) -> TrialSettings:
        sections = {section: data[section] for section in SECTIONS if section in data}
        sections = {section: {} if value is None else value for section, value in sections.items()}
        model, varied = sections.setdefault("model", {}), data.get("vary")
        chosen = {*(model if isinstance(model, dict) else ()), *(varied if isinstance(varied, dict) else ())}
        if isinstance(model, dict) and not chosen & {"hidden", "layers", "model.hidden", "model.layers"}:
            sections["model"] = {"hidden": DEFAULT_HIDDEN} | model
        try:
            return TrialSettings.model_validate(sections)
        except ValidationError as invalid:
            self._add((), sentences(invalid))
            return TrialSettings()

    def _name(self, given: Any, default: str) -> str:
        name = default if given is None else given
        allowed = "letters, digits, `.`, `_` and `-`, beginning with a letter or digit"
        ok = isinstance(name, str) and name.isascii() and len(name) <= NAME_LENGTH and name[:1].isalnum()
        if not ok or not all(c.isalnum() or c in "._-" for c in name):
            self._problem(("name",), f"expected a name of {allowed} (at most {NAME_LENGTH}), found {shown(name)}")
            return "unnamed"
        return str(name)

    def _seeds(self, given: Any) -> tuple[int, ...]:
        given = DEFAULT_SEEDS if given is None else given
        numbers = given if isinstance(given, tuple) else (given,)
        whole = all(isinstance(n, int) and not isinstance(n, bool) and 0 <= n < 2**63 for n in numbers)
        if isinstance(given, tuple):
            if whole and numbers and len(set(numbers)) == len(numbers) <= MOST_SEEDS:
                return tuple(numbers)
        elif whole and 1 <= given <= MOST_SEEDS:
            return tuple(range(given))
        wanted = f"how many seeds (1 to {MOST_SEEDS:,}) or a list of different whole numbers of at least 0"
        self._problem(("seeds",), f"expected {wanted}, found {shown(given)}")
        return (0,)

    def _factors(self, vary: Any) -> Iterator[Factor]:
        if vary is None:
            return
        if not isinstance(vary, dict):
            self._problem(
                ("vary",), f"expected a mapping such as `model.activation: [relu, tanh]`, found {shown(vary)}"
            )
            return
        known = [f"{section}.{name}" for section, model in SECTIONS.items() for name in model.model_fields]
        for path, given in vary.items():
            if path == "data.dataset":
                self._problem(("vary", path), "an experiment has one dataset: write one file for each")
            elif path not in known:
                near = [name for name in known if name.endswith(f".{path}")]
                hint = f"; did you mean {near[0]}?" if near else did_you_mean(path, known)
                self._problem(("vary", path), f"unknown setting{hint}")
            elif not isinstance(given, tuple) or not given:
                self._problem(("vary", path), f"expected a list of at least one value, found {shown(given)}")
            else:
                yield Factor(path, tuple(self._factor_values(path, given)))

    def _factor_values(self, path: str, given: tuple[Any, ...]) -> Iterator[Any]:
        seen: dict[Any, int] = {}
        for index, raw in enumerate(given):
            where: SettingPath = ("vary", path, index)
            value, problems = validated_setting(path, raw)
            for rest, message in problems:
                self._problem((*where, *rest), message)
            if problems:
                continue
            if value in seen:
                self._problem(where, f"the same as entry {seen[value]} of this list")
            seen[value] = index
            yield value

    def _baseline(self, given: Any, factors: Sequence[Factor]) -> Values:
        if given is None:
            return ()
        values, mistakes = varied_values(given, factors, self._unsure())
        self._add(("baseline",), mistakes)
        return values

    def _expectations(self, given: Any, experiment: Experiment) -> tuple[Expectation, ...]:
        if given is None:
            return ()
        expectations, mistakes = read_expectations(given, experiment, self._unsure())
        self._add(("expect",), mistakes)
        return expectations

    def _unsure(self) -> set[str]:
        """Varied settings in which mistakes have been found: whatever refers to them may be right."""
        paths = (problem.path for problem in self.source.problems)
        return {str(path[1]) for path in paths if path[:1] == ("vary",) and len(path) > 1}

    def _add(self, path: SettingPath, mistakes: Iterable[Mistake]) -> None:
        for where, message in mistakes:
            self._problem((*path, *where), message)

    def _check_arms(self, experiment: Experiment) -> None:
        count, trials = experiment.arm_count(), experiment.arm_count() * len(experiment.seeds)
        if count > MOST_ARMS or trials > MOST_TRIALS:
            limits = f"at most {MOST_ARMS:,} arms and {MOST_TRIALS:,} trials"
            self._problem(
                ("vary",), f"expected {limits}, found {count:,} arms and {trials:,} trials: split the experiment"
            )
            return
        varied = [factor.path for factor in experiment.factors]
        for arm in experiment.arms():
            for conflict in conflicts(arm.settings):
                path = ("vary", conflict.path) if conflict.path in varied else tuple(conflict.path.split("."))
                if conflict.impossible:
                    self._problem(path, conflict.message)
                else:
                    self.warnings.append(str(Problem(self.source.place(path), path, conflict.message)))
        self.warnings = list(dict.fromkeys(self.warnings))


def _by_place(problem: Problem) -> tuple[bool, list[int], str]:
    """Problems in the order of the file, those of the command line last."""
    on_command_line = problem.place.startswith("--set")
    numbers = [] if on_command_line else [int(part) for part in problem.place.split(":")[-2:] if part.isdigit()]
    return on_command_line, numbers, dotted_path(problem.path)
