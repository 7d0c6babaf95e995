"""Experiment files: YAML to a frozen Experiment, or every mistake in it, all in one go."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import ValidationError

from actbench.catalogue.arrays import Dataset, is_in_use, not_in_use
from actbench.catalogue.custom_files import files_in_use
from actbench.catalogue.recorded import not_loaded
from actbench.catalogue.registry import Kind
from actbench.config import cells, plain_values
from actbench.config.bundled import find_experiment
from actbench.config.claims import read_claims
from actbench.config.source import Problem, Source, apply_override, dotted_path, read_yaml
from actbench.errors import ConfigurationError, read_named_file
from actbench.experiment.cells import Group, find_references
from actbench.experiment.choices import choices_from, custom_choices, shown
from actbench.experiment.compatibility import conflicts
from actbench.experiment.definition import (
    PRIMARY_METRIC,
    SECTIONS,
    TUNING_SEEDS,
    Experiment,
    Factor,
    Keep,
    Match,
    complete,
    smoke_version,
    with_values,
)
from actbench.experiment.identity import equal_arms
from actbench.experiment.layers import network_size
from actbench.experiment.metrics import parse_metric
from actbench.experiment.naming import SettingValues
from actbench.experiment.settings import DEFAULT_HIDDEN, TrialSettings
from actbench.experiment.validation import Mistake, SettingPath, misplaced, sentences, varied_values
from actbench.text import counted, first_few, listed, nearest_or_all, visible

TUNING_KEYS = ("tune", "tuning_seeds", "tuning_margin")
KNOWN_KEYS = (
    "name", *SECTIONS, "vary", *cells.CELL_KEYS, *TUNING_KEYS, "seeds", "baseline", "match", "primary", "margin",
    "keep", "expect",
)  # fmt: skip
MAX_ARMS = 10_000
MAX_TRIALS = 100_000
MAX_MISTAKES_SHOWN = 100
MAX_LABELS = 3
T = TypeVar("T")

SETTING_PARTS = (
    (), ("vary",), ("tune",), ("tuning_seeds",), *((key,) for key in (*cells.CELL_KEYS, *SECTIONS)),
)  # fmt: skip
SETTINGS: dict[Kind, str] = {
    "activation": "model.activation",
    "output": "model.output",
    "initialiser": "model.init",
    "loss": "train.loss",
}


@dataclass(frozen=True)
class Loaded:
    """An experiment that can run, and what its author should know about it all the same."""

    experiment: Experiment
    warnings: tuple[str, ...]


def load_experiment(
    path: Path, overrides: Sequence[str] = (), *, is_record: bool = False, data: Dataset | None = None
) -> Loaded:
    """Read an experiment file; raises `ConfigurationError` with every mistake as `file:line:column: path: sentence`.

    Records of what was trained may name custom functions and arrays that are not loaded; training may not. `data` are
    trained on instead of the file's dataset.
    """
    return read_experiment(read_text(path), str(path), path.stem, overrides, is_record=is_record, data=data)


def read_experiment(
    text: str,
    place: str,
    default_name: str,
    overrides: Sequence[str] = (),
    *,
    is_record: bool = False,
    data: Dataset | None = None,
) -> Loaded:
    """As `load_experiment`, from the text of such a file."""
    source = read_yaml(text, place)
    for override in overrides:
        apply_override(source, override)
    return _Loader(source, is_record, data).load(default_name)


def read_text(path: Path, what: str = "an experiment file") -> str:
    """The text of a YAML file that the user names; raises `ConfigurationError`."""
    content = read_named_file(path, what, ".yaml", ".yml")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            f"{visible(str(path))}: not UTF-8 text (byte {error.start}): save it as UTF-8"
        ) from None


@dataclass
class _Loader:
    """The steps from data to experiment; they share the source's list of problems."""

    source: Source
    is_record: bool
    data: Dataset | None = None
    warnings: list[str] = field(default_factory=list)

    def load(self, default_name: str) -> Loaded:
        data = self.source.data
        experiment = None
        if isinstance(data, dict):
            for key in (key for key in data if key not in KNOWN_KEYS):
                self._problem((key,), misplaced(key) or f"unknown key{nearest_or_all(key, KNOWN_KEYS)}")
            settings = self._settings(data)
            groups = self._with_mistakes_added("vary", cells.read_groups("vary", data.get("vary")))
            kept = self._with_mistakes_added(
                "", cells.read_cells(data, groups, self._paths_with_mistakes(), is_record=self.is_record)
            )
            factors = tuple(cells.factors_of(groups, kept.include))
            tune_groups, tune = self._tune_groups([factor.path for factor in factors])
            seeds, looks = self._plain("seeds", plain_values.read_seeds, plain_values.NO_SEEDS)
            metrics = plain_values.PRIMARY_METRICS
            primary = self._plain("primary", partial(plain_values.read_word, words=metrics), None) or PRIMARY_METRIC
            read_margin = partial(plain_values.read_margin, primary=primary)
            tuning_seeds = self._plain("tuning_seeds", plain_values.read_tuning_seeds, TUNING_SEEDS)
            tuning_margin = self._plain("tuning_margin", read_margin, None)
            has_margin = tune and data.get("tuning_margin") is not None
            if not self.is_record:
                self._require_loaded(settings, factors)
            baseline: SettingValues = ()
            if data.get("baseline") is not None:
                baseline = self._with_mistakes_added(
                    "baseline", varied_values(data["baseline"], factors, self._paths_with_mistakes())
                )
            experiment = Experiment(
                name=self._plain("name", partial(plain_values.read_name, default=default_name), "unnamed"),
                settings=settings,
                factors=factors,
                seeds=seeds,
                looks=looks,
                baseline=baseline,
                tune=tuple(tune),
                cells=kept,
                tune_groups=tuple(tune_groups),
                tuning_seeds=tuning_seeds if tune else TUNING_SEEDS,  # else without meaning, and not written
                tuning_margin=tuning_margin if has_margin else None,
                primary=primary,
                margin=self._plain("margin", read_margin, None),
                keep=self._plain("keep", partial(plain_values.read_word, words=get_args(Keep)), None),
            )
            is_sound = not any(problem.path[:1] in SETTING_PARTS for problem in self.source.problems)
            if is_sound:
                is_sound = self._check_arms(experiment)
            if is_sound and not any(problem.path[:1] == ("baseline",) for problem in self.source.problems):
                try:  # with the values of the settings that change together with the baseline's
                    experiment = replace(experiment, baseline=complete(experiment, experiment.baseline))
                except ConfigurationError as ambiguous:
                    self._problem(("baseline",), str(ambiguous))
            match: Match | None = self._plain("match", partial(plain_values.read_word, words=get_args(Match)), None)
            if match and is_sound:
                experiment = replace(experiment, match=match)
                self._add(("match",), (((), message) for message in _match_mistakes(experiment)))
            if data.get("expect") is not None:
                read = read_claims(data["expect"], experiment, self._paths_with_mistakes(), is_sound=is_sound)
                experiment = replace(experiment, claims=self._with_mistakes_added("expect", read))
            if looks and not data.get("baseline") and not data.get("expect"):
                self._problem(("seeds",), "looks need a baseline (or claims) against which arms can be settled")
        elif not self.source.problems:
            self._problem((), f"expected settings such as `model:` and `train:`, found {shown(data)}")
        if self.source.problems or experiment is None:
            raise ConfigurationError("\n".join(_mistakes(self.source.problems)))
        return Loaded(experiment, tuple(self.warnings))

    def _problem(self, path: SettingPath, message: str) -> None:
        self.source.problems.append(Problem(self.source.place(path), path, message))

    def _settings(self, data: dict[str, Any]) -> TrialSettings:
        sections = {section: data[section] for section in SECTIONS if section in data}
        sections = {section: {} if value is None else value for section, value in sections.items()}
        model = sections.setdefault("model", {})
        varied = (data.get("vary"), data.get("tune"))
        lists = [part for part in varied if isinstance(part, tuple)]
        parts = [part for part in (model, *varied, *chain(*lists)) if isinstance(part, dict)]
        given = {key for part in parts for key, value in part.items() if value is not None}
        if isinstance(model, dict) and not given & {"hidden", "layers", "model.hidden", "model.layers"}:
            sections["model"] = model | {"hidden": DEFAULT_HIDDEN}
        try:
            settings = TrialSettings.model_validate(sections)
        except ValidationError as invalid:
            self._add((), sentences(invalid))
            return TrialSettings()
        dataset = settings.data.dataset
        if dataset.source == "file" and not self.is_record and not is_in_use(dataset):
            self._problem(("data", "dataset"), not_in_use(dataset))
        return settings if self.data is None else with_values(settings, (("data.dataset", self.data),))

    def _require_loaded(self, settings: TrialSettings, factors: Sequence[Factor]) -> None:
        """Only custom functions that are loaded can be trained with, in the version that the file names."""
        fixed = [((section, name), value) for section, part in settings for name, value in part]
        is_list = isinstance(self.source.data.get("vary"), tuple)
        varied: list[tuple[SettingPath, Any]] = [
            (("vary",) if is_list else ("vary", factor.path, index), value)
            for factor in factors
            for index, value in enumerate(factor.values)
        ]
        for path, value in (*fixed, *varied):
            for one, recorded in custom_choices(value).items():
                if not one.is_loaded():
                    self._problem(path, not_loaded(one.kind, one.name, recorded.checksum))

    def _plain(self, key: str, read: Callable[[Any], T], otherwise: T) -> T:
        """The value of a key that holds a plain value, or its default if there is none; `otherwise` after a mistake."""
        try:
            return read(self.source.data.get(key))
        except ValueError as mistake:
            self._problem((key,), str(mistake))
            return otherwise

    def _with_mistakes_added(self, key: str, found: tuple[T, Iterable[Mistake]]) -> T:
        """What was read from a key (or from the file, if it is empty), after its mistakes have been noted."""
        self._add((key,) if key else (), found[1])
        return found[0]

    def _tune_groups(self, varied: Sequence[str]) -> tuple[list[Group], list[Factor]]:
        groups = self._with_mistakes_added("tune", cells.read_groups("tune", self.source.data.get("tune")))
        is_list = isinstance(self.source.data.get("tune"), tuple)
        self._add(("tune",), cells.tune_mistakes(groups, varied, is_list=is_list))
        without = varied if is_list else ()
        return groups, cells.factors_of(groups, without=without)

    def _paths_with_mistakes(self) -> set[str]:
        """Varied settings in which mistakes have been found: whatever refers to them may be right."""
        paths = [problem.path for problem in self.source.problems if problem.path[:1] in (("vary",), ("include",))]
        if any(len(path) < 2 or path[1] not in cells.SETTING_PATHS for path in paths):
            return set(cells.SETTING_PATHS)
        return {str(path[1]) for path in paths}

    def _add(self, path: SettingPath, mistakes: Iterable[Mistake]) -> None:
        for where, message in mistakes:
            self._problem((*path, *where), message)

    def _check_arms(self, experiment: Experiment) -> bool:
        """Whether there are few enough arms, none of which is impossible."""
        problems = len(self.source.problems)
        if not self._is_small_enough(experiment):
            return False
        self._add((), cells.cell_mistakes(experiment, is_record=self.is_record))
        if len(self.source.problems) > problems:
            return False
        self._add((), ((("tune",), message) for message in cells.budget_mistakes(experiment)))
        if experiment.tune and not all(arm.settings.data.validation_count() for arm in experiment.arms()):
            self._problem(("tune",), "values are chosen on validation images, and none are held out")
        without_primary = map(parse_metric(experiment.primary).problem, (arm.settings for arm in experiment.arms()))
        self._add((), ((("primary",), problem) for problem in dict.fromkeys(filter(None, without_primary))))
        impossible: dict[tuple[SettingPath, str], list[str]] = {}
        for arm in experiment.arms():
            for conflict in chain.from_iterable(map(conflicts, experiment.candidate_settings(arm))):
                path = self._setting_path(conflict.path, experiment)
                if conflict.impossible:
                    impossible.setdefault((path, conflict.message), []).append(arm.label())
                else:
                    self._warn(path, conflict.message)
        for (path, message), labels in impossible.items():
            self._problem(path, message + _how_to_leave_out(list(dict.fromkeys(labels)), experiment))
        for pair in () if self.is_record else equal_arms(experiment.arms()):
            self._warn(self._setting_path(pair.path, experiment), pair.message)
        self.warnings = list(dict.fromkeys(self.warnings))
        return len(self.source.problems) == problems

    def _is_small_enough(self, experiment: Experiment) -> bool:
        count = experiment.cells.largest_count()
        trials = count * len(experiment.seeds)
        if count <= MAX_ARMS:
            trials += count * experiment.tuning_trial_count()
        if count <= MAX_ARMS and trials <= MAX_TRIALS:
            return True
        limits = f"at most {MAX_ARMS:,} arms and {MAX_TRIALS:,} trials"
        self._problem(("vary",), f"expected {limits}, found {count:,} arms and {trials:,} trials: split the experiment")
        return False

    def _setting_path(self, path: str, experiment: Experiment) -> SettingPath:
        """Where the file gives a setting: under `vary`, under `tune`, or in its section."""
        for section, factors in (("vary", experiment.factors), ("tune", experiment.tune)):
            if path in {factor.path for factor in factors}:
                given = self.source.data[section]
                index = (
                    [number for number, part in enumerate(given) if path in part] if isinstance(given, tuple) else []
                )
                return (section, *index[:1], path)
        return tuple(path.split("."))

    def _warn(self, path: SettingPath, message: str) -> None:
        self.warnings.append(str(Problem(self.source.place(path), path, message)))


def _match_mistakes(experiment: Experiment) -> Iterator[str]:
    """Why arms cannot be made as large as their baselines."""
    if not experiment.baseline:
        yield "arms are made as large as their baseline, but the file names none"
        return
    arms = list(experiment.arms())
    for arm, baseline in zip(arms, find_references(arms, arms, experiment.baseline), strict=True):
        count = network_size(arm.settings).parameters
        if baseline is None:
            yield f"`{arm.label()}` has no baseline"
        if any(network_size(settings).parameters != count for settings in experiment.candidate_settings(arm)):
            yield f"what is tuned changes how many parameters `{arm.label()}` has"
        if (matched := arm.matched) and not matched.is_nearest():
            where = f"even with {counted(matched.units, 'unit')} in layer {matched.layer}" if matched.layer else ""
            yield (
                f"`{arm.label()}` cannot have the {matched.target:,} parameters of its baseline: "
                f"it has {count:,} {where or 'and no hidden layer'}"
            )


def _how_to_leave_out(labels: Sequence[str], experiment: Experiment) -> str:
    """The arms that are impossible, if others are not, and the word that leaves them out."""
    if len(labels) == experiment.arm_count():
        return ""
    arms = listed(first_few([f"`{label}`" for label in labels], MAX_LABELS))
    return f" ({arms}); `exclude: impossible` leaves such arms out"


def _mistakes(problems: Iterable[Problem]) -> list[str]:
    """Every problem once, one to a line, in the order of the file, the command line's last; of very many the first."""

    def place(problem: Problem) -> tuple[bool, list[int], str]:
        on_command_line = problem.place.startswith("--set")
        numbers = [] if on_command_line else [int(part) for part in problem.place.split(":")[-2:] if part.isdigit()]
        return on_command_line, numbers, dotted_path(problem.path)

    return first_few(list(dict.fromkeys(map(str, sorted(problems, key=place)))), MAX_MISTAKES_SHOWN, "mistake")


def open_experiment(
    config: Path, overrides: Sequence[str], say: Callable[[str], None], *, smoke: bool, data: Dataset | None = None
) -> Loaded:
    """Read an experiment and say its warnings; raises `ConfigurationError` with every mistake in it."""
    loaded = load_experiment(find_experiment(config), overrides, data=data)
    for warning in (*loaded.warnings, *_unused_files(loaded.experiment)):
        say(f"warning: {warning}")
    return replace(loaded, experiment=smoke_version(loaded.experiment)) if smoke else loaded


def _unused_files(experiment: Experiment) -> Iterator[str]:
    """What each file adds of which the experiment uses nothing, with the line that would."""
    varied = tuple(factor.values for factor in (*experiment.factors, *experiment.tune))
    used = {one.checksum for value in (experiment.settings, varied) for one in custom_choices(value).values()}
    for file in files_in_use():
        if file.checksum not in used and (added := choices_from(file.origin())):
            lines = dict.fromkeys(f"{SETTINGS[one.kind]}: [..., {one.name}]" for one in added)
            names = listed([one.name for one in added])
            yield f"{visible(file.path)} adds {names}, which no arm uses; list it under vary: {listed([*lines])}"
