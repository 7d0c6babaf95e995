"""The combinations under `vary`, `tune`, `exclude`, `include` and `names`, with every mistake in them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from actbench.errors import ConfigurationError
from actbench.experiment.cells import Cells, Group, has_values
from actbench.experiment.choices import shown
from actbench.experiment.definition import SECTIONS, Experiment, Factor, parse_arm
from actbench.experiment.naming import SettingValues, label_of, settings_by_path
from actbench.experiment.validation import Mistake, SettingPath, validated_setting, varied_values
from actbench.text import counted, did_you_mean

SETTING_PATHS = tuple(f"{part}.{name}" for part, model in SECTIONS.items() for name in model.model_fields)
CELL_KEYS = ("exclude", "include", "names")
IMPOSSIBLE = "impossible"
# What pandas.read_csv takes for a missing value unless told otherwise.
READ_AS_MISSING = (
    "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA", "NULL",
    "NaN", "None", "n/a", "nan", "null",
)  # fmt: skip
MAX_NAME_LENGTH = 60
EXAMPLES = {"vary": "model.activation: [relu, tanh]", "tune": "train.lr: [1e-3, 1e-2]"}


def read_groups(section: str, given: Any) -> tuple[list[Group], list[Mistake]]:
    """The groups of a mapping (one for each setting) or of a list of mappings (one for each), and the mistakes."""
    if given is None:
        return [], []
    if isinstance(given, dict):
        parts: list[tuple[SettingPath, dict[str, Any]]] = [((), {path: values}) for path, values in given.items()]
    elif isinstance(given, tuple) and given and all(isinstance(part, dict) and part for part in given):
        parts = [((index,), part) for index, part in enumerate(given)]
    else:
        what = f"a mapping such as `{EXAMPLES[section]}`, or a list of such mappings"
        return [], [((), f"expected {what}, found {shown(given)}")]
    groups, mistakes = list[Group](), list[Mistake]()
    seen = set[str]()
    for where, part in parts:
        group, problems = _read_group(part, seen)
        mistakes += [((*where, *rest), message) for rest, message in problems]
        if group:
            groups.append(group)
        seen |= part.keys()
    return groups, mistakes


def _read_group(part: Mapping[str, Any], seen: Collection[str]) -> tuple[Group | None, list[Mistake]]:
    """A group of lists of equal length, each of valid values."""
    mistakes = [mistake for path, values in part.items() for mistake in _path_mistakes(path, values, seen)]
    if mistakes:
        return None, mistakes
    first, *others = part
    for path in others:
        if len(part[path]) != len(part[first]):
            lengths = f"{len(part[first])} in {first}, found {len(part[path])}"
            mistakes.append(((path,), f"expected as many values as the settings that it changes with: {lengths}"))
    columns = list[list[Any]]()
    for path, values in part.items():
        columns.append([])
        for index, raw in enumerate(values):
            value, problems = validated_setting(path, raw)
            mistakes += [((path, index, *rest), message) for rest, message in problems]
            columns[-1].append(value)
    if mistakes:
        return None, mistakes
    rows = list(zip(*columns, strict=True))
    what = "the same as entry {} of this list" if not others else "the same row as entry {} of these lists"
    for index, row in enumerate(rows):
        if (earlier := rows.index(row)) < index:
            mistakes.append(((first, index), what.format(earlier)))
    return Group(tuple(part), tuple(rows)), mistakes


def _path_mistakes(path: str, values: Any, seen: Collection[str]) -> Iterator[Mistake]:
    if path == "data.dataset":
        yield (path,), "an experiment has one dataset: write one file for each"
    elif path not in SETTING_PATHS:
        near = [name for name in SETTING_PATHS if name.endswith(f".{path}")]
        hint = f"; did you mean {near[0]}?" if near else did_you_mean(path, SETTING_PATHS)
        yield (path,), f"unknown setting{hint}"
    elif path in seen:
        yield (path,), "is in another group too: a setting belongs to one group"
    elif not isinstance(values, tuple) or not values:
        yield (path,), f"expected a list of at least one value, found {shown(values)}"


def tune_mistakes(groups: Sequence[Group], varied: Collection[str], *, is_list: bool) -> Iterator[Mistake]:
    """What cannot be tuned. A varied setting may be in a group of others, whose rows it assigns to arms."""
    for index, group in enumerate(groups):
        where: SettingPath = (index,) if is_list else ()
        assigning = [path for path in group.paths if path in varied]
        for path in group.paths:
            if path in assigning and len(assigning) == len(group.paths):
                yield (*where, path), "is varied too: either compare its values or tune it"
            elif path.startswith("data.") and path not in (*assigning, "data.scale"):
                yield (*where, path), "which images there are cannot be tuned, only data.scale"
        if len(group.rows) < 2:
            yield (*where, group.paths[0]), "expected at least two values to choose from"


def factors_of(
    groups: Sequence[Group], include: Sequence[SettingValues] = (), without: Collection[str] = ()
) -> list[Factor]:
    """Each setting of the groups with its distinct values, in their order, and those of the included cells."""
    values = settings_by_path((*(cell for group in groups for cell in group.cells()), *include))
    return [Factor(path, tuple(each)) for path, each in values.items() if path not in without]


def read_cells(
    data: Mapping[str, Any], groups: Sequence[Group], paths_with_mistakes: Collection[str], *, is_record: bool
) -> tuple[Cells, list[Mistake]]:
    """The cells of a file. Those of a record keep names that a new file may not give."""
    mistakes = list[Mistake]()

    def entries(key: str, kind: type, expected: str) -> Any:
        """What is under a key, unless it is of another kind."""
        given = data.get(key)
        if given == () or not isinstance(given, kind | None):
            mistakes.append(((key,), f"expected {expected}, found {shown(given)}"))
            return kind()
        return given or kind()

    def sound(
        key: str,
        given: Iterable[tuple[Any, Any]],
        read: Callable[..., tuple[SettingValues, list[Mistake]]],
        *known: Any,
    ) -> dict[Any, SettingValues]:
        """What is read without mistakes from the entries under a key, by index or name."""
        found = {where: read(raw, *known, paths_with_mistakes) for where, raw in given}
        for where, (_, problems) in found.items():
            mistakes.extend(((key, where, *rest), message) for rest, message in problems)
        return {where: values for where, (values, problems) in found.items() if not problems}

    whole = entries("include", tuple, "a list of whole cells")
    include = tuple(sound("include", enumerate(whole), _whole_cell, factors_of(groups)).values())
    factors = factors_of(groups, include)
    exclude = data.get("exclude")
    listed = "`impossible`, or a list of cells such as `{train.loss: bce}`"
    parts = () if exclude == IMPOSSIBLE else entries("exclude", tuple, listed)
    excluded = tuple(sound("exclude", enumerate(parts), _partial_cell, factors).values())
    named = entries("names", dict, "a mapping such as `plain: {model.activation: relu}`")
    names = tuple(sound("names", named.items(), varied_values, factors).items())
    for name in named:
        if len(name) > MAX_NAME_LENGTH or not name.isprintable() or not name.strip() or "," in name:
            allowed = f"expected at most {MAX_NAME_LENGTH} printable characters without commas"
            mistakes.append((("names", name), allowed))
        elif name in READ_AS_MISSING and not is_record:
            mistakes.append((("names", name), "pandas would read this name in a table as a missing value"))
    return Cells(tuple(groups), excluded, exclude == IMPOSSIBLE, include, names), mistakes


def _partial_cell(
    raw: Any, factors: Sequence[Factor], paths_with_mistakes: Collection[str]
) -> tuple[SettingValues, list[Mistake]]:
    values, problems = varied_values(raw, factors, paths_with_mistakes)
    if not values and not problems and not paths_with_mistakes:
        problems.append(((), "expected at least one varied setting"))
    return values, problems


def _whole_cell(
    raw: Any, factors: Sequence[Factor], paths_with_mistakes: Collection[str]
) -> tuple[SettingValues, list[Mistake]]:
    """A cell whose values need not occur in the groups."""
    paths = [factor.path for factor in factors]
    values, problems = varied_values(raw, factors, {*paths_with_mistakes} - {*paths}, takes_any=True)
    missing = [path for path in paths if path not in raw] if isinstance(raw, dict) else []
    if missing and not paths_with_mistakes:
        problems.append(((), f"expected a whole cell: {', '.join(missing)} is missing"))
    return values, problems


def cell_mistakes(experiment: Experiment, *, is_record: bool) -> Iterator[Mistake]:
    """What the cells of a sound experiment say without effect, or twice; a record may name an arm as another."""
    cells = experiment.cells
    everything = list(Cells(cells.groups).values())
    for index, partial in enumerate(cells.exclude):
        if not any(has_values(cell, partial) for cell in everything):
            yield ("exclude", index), "excludes nothing: no arm has these values together"
    arms = list(experiment.arms())
    if not arms:
        yield ("exclude",), "leaves no arm"
    remaining = [cell for cell in everything if not any(has_values(cell, partial) for partial in cells.exclude)]
    for index, cell in enumerate(cells.include):
        if cells.excludes_impossible and cell not in [arm.values for arm in arms]:
            yield ("include", index), f"the arm {label_of(cell)} is impossible, and impossible arms are excluded"
        elif cell in remaining or cell in cells.include[:index]:
            yield ("include", index), f"the arm {label_of(cell)} is there already"
    named: dict[SettingValues, str] = {}
    for name, partial in cells.names:
        matching = [arm.values for arm in arms if has_values(arm.values, partial)]
        if len(matching) != 1:
            yield ("names", name), f"expected the values of one arm, found those of {counted(len(matching), 'arm')}"
        elif matching[0] in named:
            yield ("names", name), f"names the same arm as {named[matching[0]]!r}"
        else:
            named[matching[0]] = name
    unnamed = replace(experiment, cells=replace(cells, names=()))
    for values, name in () if is_record else named.items():
        with suppress(ConfigurationError):
            if not has_values(values, meant := parse_arm(unnamed, name)):
                yield ("names", name), f"another arm has this name: {label_of(meant)}"


def budget_mistakes(experiment: Experiment) -> Iterator[str]:
    """Why tuning would not try as many combinations for every arm."""
    if not experiment.tune:
        return
    counts: dict[int, str] = {}
    for arm in experiment.arms():
        counts.setdefault(experiment.combination_count(arm), arm.label())
    if 0 in counts:
        yield f"no row applies to the arm {counts[0]}"
    elif len(counts) > 1:
        tries = ", ".join(f"{label}: {count}" for count, label in counts.items())
        yield f"expected equal budgets, so that no arm is tuned more than another; combinations tried: {tries}"
