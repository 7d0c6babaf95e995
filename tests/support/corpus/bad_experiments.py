"""Experiment files with one kind of mistake each, and what is said of them: `line:column: path: sentence`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class BadExperiment:
    """The contents of a file, and the lines that the program must say; each is what a line begins with."""

    contents: bytes
    lines: tuple[str, ...]


def bad(contents: str | bytes, *lines: str) -> BadExperiment:
    """A case."""
    return BadExperiment(contents if isinstance(contents, bytes) else contents.encode(), lines)


ENCODINGS = {
    "latin-1": bad("name: größe".encode("latin-1"), ": not UTF-8 text (byte 8): save it as UTF-8"),
    "utf-16": bad("name: a".encode("utf-16"), ": not UTF-8 text (byte 0): save it as UTF-8"),
    "half a character": bad(b"name: \xe2\x82", ": not UTF-8 text (byte 6): save it as UTF-8"),
    "a surrogate in UTF-8": bad(b"name: \xed\xa0\x80", ": not UTF-8 text (byte 6): save it as UTF-8"),
    "a picture": bad(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", ": not UTF-8 text (byte 0): save it as UTF-8"),
    "a packed file": bad(b"\x1f\x8b\x08\x00abcdef", ": not UTF-8 text (byte 1): save it as UTF-8"),
    "NUL": bad("name: a\x00b", ":1:1: not YAML: unacceptable character #x0000"),
    "an escape code": bad("name: \x1b[31mred", ":1:1: not YAML: unacceptable character #x001b"),
    "an escaped surrogate": bad(
        'expect: [{claim: "\\ud800", arm: {}, above: 0}]', ":1:21: not YAML: while parsing a quoted scalar"
    ),
    "an escape beyond Unicode": bad('name: "\\U00110000"', ":1:10: not YAML: while parsing a quoted scalar"),
    "nothing": bad("", ":1:1: expected settings, found an empty file"),
    "only a byte order mark": bad("\ufeff", ":1:1: expected settings, found an empty file"),
    "only comments": bad("# name: a\n", ":1:1: expected settings, found an empty file"),
    "a megabyte": bad(b"#" * 1_000_001, ":1:1: expected at most 1,000,000 bytes"),
}

OTHER_LANGUAGES = {
    "JSON with a trailing word": bad('{"name": "a"} x', ":1:15: not YAML: "),
    "TOML": bad('[model]\nactivation = "relu"\n', ":2:1: not YAML: "),
    "INI": bad("[train]\nlr=0.1\n", ":2:1: not YAML: "),
    "Python": bad("model = dict(hidden=[64])\n", ":1:1: expected settings such as `model:` and `train:`"),
    "XML": bad("<model><hidden>64</hidden></model>", ":1:1: expected settings such as `model:` and `train:`"),
    "CSV": bad("name,seeds\na,3\n", ":1:1: expected settings such as `model:` and `train:`"),
    "a list": bad("- name: a\n- seeds: 3\n", ":1:1: expected settings such as `model:` and `train:`"),
    "a word": bad("mnist\n", ":1:1: expected settings such as `model:` and `train:`, found 'mnist' (text)"),
    "two documents": bad("name: a\n---\nname: b\n", ":2:1: expected one document, found another one"),
    "a newer YAML": bad("%YAML 3.0\n---\nname: a\n", ":1:1: not YAML: found incompatible YAML document"),
    "a YAML that only one loader knows": bad("%YAML 1.3\n---\nname: a\n", ":1:1: not YAML: "),
    "a diff": bad("--- a.yaml\n+++ b.yaml\n@@ -1 +1 @@\n", ":1:5: expected settings such as `model:`"),
    "a merge conflict": bad("seeds: 3\n<<<<<<< ours\nname: a\n=======\n", ":3:1: not YAML: "),
    "a template": bad(
        "name: {{ name }}\n",
        ":1:1: name: expected a name of letters, digits",
        ":1:8: name: expected a plain name as key",
    ),
}

SYNTAX = {
    "a tab": bad("model:\n\thidden: [3]\n", ":2:1: not YAML: while scanning for the next token found character '\\t'"),
    "an open bracket": bad("model: {hidden: [3\n", ":2:1: not YAML: while parsing a flow sequence"),
    "an open quote": bad("name: 'a\n", ":2:1: not YAML: while scanning a quoted scalar"),
    "a bracket too many": bad("model: {hidden: [3]]}\n", ":1:20: not YAML: "),
    "two colons": bad("train: lr: 3\n", ":1:10: not YAML: mapping values are not allowed here"),
    "uneven indentation": bad("train:\n  lr: 1\n   epochs: 3\n", ":3:10: not YAML: mapping values are not allowed"),
    "no space behind the colon": bad("train: {lr:0.1}\n", ":1:9: train.lr:0.1: unknown key"),
    "an at sign": bad("name: @home\n", ":1:7: not YAML: while scanning for the next token found character '@'"),
    "an unknown alias": bad("train: *t\n", ":1:8: not YAML: found undefined alias"),
    "a key that is a list": bad("? [a, b]\n: 1\n", ":1:3: expected a plain name as key"),
    "a key twice": bad("seeds: 3\nname: a\nseeds: 4\n", ":3:1: seeds: duplicate key, first given in line 1"),
    "a merge key": bad("a: &a {lr: 1}\ntrain:\n  <<: *a\n", ":1:1: a: unknown key", ":3:3: train: `<<` is not allowed"),
}

TAGS = {
    "a tag that runs a command": bad(
        'name: !!python/object/apply:os.system ["touch pwned"]\n',
        ":1:7: tags such as tag:yaml.org,2002:python/object/apply:os.system are not allowed here",
    ),
    "a tag that imports": bad("name: !!python/module:antigravity ''\n", ":1:7: tags such as tag:yaml.org,2002:python/"),
    "a tag that names a class": bad("a: !!python/name:os.system\n", ":1:4: tags such as tag:yaml.org,2002:python/name"),
    "a tag that makes an object": bad("a: !!python/object/new:os.system [ls]\n", ":1:4: tags such as tag:yaml.org"),
    "a tag of one's own": bad("a: !include /etc/passwd\n", ":1:4: tags such as !include are not allowed here"),
    "a tag by a handle": bad(
        "%TAG !p! tag:yaml.org,2002:python/\n---\na: !p!name:os.system\n", ":3:4: tags such as tag:yaml.org,2002:python"
    ),
    "a tag on a key": bad("!!str name: a\n", ":1:1: tags such as tag:yaml.org,2002:str are not allowed here"),
    "binary data": bad("name: !!binary aGk=\n", ":1:7: tags such as tag:yaml.org,2002:binary are not allowed here"),
}

LAUGHS = "a0: &a0 [ha, ha]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 30))
MERGES = "train: &a0 {lr: 1}\n" + "".join(f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}\n" for n in range(1, 30))
REFUSED_MERGES = [
    line
    for n in range(1, 30)
    for line in (f":{n + 1}:1: a{n}: unknown key", f":{n + 1}:{10 + 2 * (n > 9)}: a{n}: `<<` is")
]
BOMBS = {
    "a billion laughs": bad(LAUGHS, ":"),
    "merges of merges": bad(MERGES, *REFUSED_MERGES),
    "a list in itself": bad("model: {hidden: &a [*a]}\n", ":1:17: model.hidden"),
    "a mapping in itself": bad("model: &a {layers: [*a]}\n", ":1:8: model.layers[0]"),
    "100,000 brackets": bad("a: " + "[" * 100_000, ":1:23: nested deeper than 20 levels"),
    "brackets behind a newer YAML": bad("%YAML 1.3\n---\na: " + "[" * 20_000, ":3:23: nested deeper than 20 levels"),
    "indents": bad("\n".join(" " * n + "a:" for n in range(500)), ":21:21: nested deeper than 20 levels"),
    "20,001 values": bad(
        f"seeds: [{'1, ' * 20_001}]",
        ":1:",
    ),
    "101 aliases": bad(f"name: &a 1\nseeds: [{'*a, ' * 101}]\n", ":2:409: more than 100 aliases"),
    "a thousand documents": bad("---\n" * 1000, ":2:1: expected one document"),
    "a value beside a list in itself": bad(f"a: [{'1,' * 19_900}]\nb: &b [*b]", ":2:4: b[0]"),
    "a list of 9,000 three times": bad(f"a: &a [{'1,' * 9_000}]\nb: [*a, *a, *a]", ":1:"),
}

NAMES = {
    "a name that climbs": bad("name: ../../escaped\n", ":1:1: name: expected a name of letters, digits"),
    "a name that climbs from a folder": bad("name: a/../../b\n", ":1:1: name: expected a name of letters, digits"),
    "an absolute name": bad("name: /etc/cron.d/x\n", ":1:1: name: expected a name of letters, digits"),
    "a name with a backslash": bad("name: '..\\escaped'\n", ":1:1: name: expected a name of letters, digits"),
    "a drive": bad("name: 'C:x'\n", ":1:1: name: expected a name of letters, digits"),
    "a name that begins with a dot": bad("name: .ssh\n", ":1:1: name: expected a name of letters, digits"),
    "a name that looks like an option": bad("name: --fresh\n", ":1:1: name: expected a name of letters, digits"),
    "only dots": bad("name: '..'\n", ":1:1: name: expected a name of letters, digits"),
    "a name with a line break": bad('name: "a\\nb"\n', ":1:1: name: expected a name of letters, digits"),
    "a name that ends in a line break": bad('name: "a\\n"\n', ":1:1: name: expected a name of letters, digits"),
    "letters beyond ASCII": bad("name: größe\n", ":1:1: name: expected a name of letters, digits"),
    "digits beyond ASCII": bad("name: '٣'\n", ":1:1: name: expected a name of letters, digits"),
    "a long name": bad(f"name: {'a' * 65}\n", ":1:1: name: expected a name of letters, digits"),
    "an empty name": bad("name: ''\n", ":1:1: name: expected a name of letters, digits"),
    "a number as name": bad("name: 5\n", ":1:1: name: expected a name of letters, digits"),
    "a trailing dot": bad(
        "name: mnist.\n", ":1:1: name: expected a name that a folder can have on Windows too; 'mnist.' ends in a dot"
    ),
    "a device": bad("name: CON\n", ":1:1: name: expected a name that a folder can have on Windows too; 'CON' is a dev"),
    "a device with an ending": bad("name: nul.results\n", ":1:1: name: expected a name that a folder can have on Win"),
    "a port": bad("name: com1\n", ":1:1: name: expected a name that a folder can have on Windows too; 'com1' is a dev"),
}

SETTINGS = {
    "a misspelt section": bad("modle: {}\n", ":1:1: modle: unknown key; did you mean model?"),
    "a misspelt key": bad("train:\n  epoch: 3\n", ":2:3: train.epoch: unknown key; did you mean epochs?"),
    "a misspelt function": bad(
        "model: {activation: rleu}\n", ":1:9: model.activation: no activation is called 'rleu'; did you mean"
    ),
    "a path to import": bad(
        "model: {activation: os.system}\n", ":1:9: model.activation: no activation is called 'os.system'"
    ),
    "a file to import": bad(
        "model: {activation: ./evil.py}\n", ":1:9: model.activation: no activation is called './evil.py'"
    ),
    "code for a function": bad(
        'model: {activation: \'__import__("os").system("id")\'}\n',
        ":1:9: model.activation: no activation is called '__import__",
    ),
    "an attribute of a function": bad(
        "model: {activation: {relu: {__class__: x}}}\n", ":1:29: model.activation.relu.__class__: unknown key"
    ),
    "a path to a dataset": bad("data: {dataset: ../../etc/passwd}\n", ":1:8: data.dataset: no dataset is called"),
    "an address of a dataset": bad("data: {dataset: 'http://127.0.0.1/x.gz'}\n", ":1:8: data.dataset: no dataset is"),
    "a data folder": bad("data: {folder: /etc}\n", ":1:8: data.folder: unknown key"),
    "code to use": bad("use: evil.py\n", ":1:1: use: unknown key"),
    "a claim's metric that runs": bad(
        "expect: [{claim: a, arm: {}, metric: '__import__(\"os\")', above: 0}]\n",
        ":1:30: expect[0].metric: no metric is called '__import__",
    ),
    "an environment variable": bad("name: $HOME\n", ":1:1: name: expected a name of letters, digits"),
    "a number as text": bad("train: {lr: '1e-3'}\n", ":1:9: train.lr: expected a number, found '1e-3' (text)"),
    "a decimal comma": bad("train:\n  lr: 0,001\n", ":2:3: train.lr: expected a number, found '0,001' (text)"),
    "a number of seeds as text": bad("seeds: three\n", ":1:1: seeds: expected how many seeds (1 to 10,000)"),
    "a seed twice": bad("seeds: [1, 2, 1]\n", ":1:1: seeds: expected how many seeds (1 to 10,000)"),
    "a seed below 0": bad("seeds: [-1]\n", ":1:1: seeds: expected how many seeds (1 to 10,000)"),
    "not a number": bad("train: {lr: .nan}\n", ":1:9: train.lr: expected a finite number, found nan"),
    "infinity": bad("train: {lr: .inf}\n", ":1:9: train.lr: expected a finite number, found inf"),
    "a number too large": bad("train: {lr: 1e999}\n", ":1:9: train.lr: expected a finite number, found inf"),
    "a whole number of 99 digits": bad(f"train: {{epochs: {'9' * 99}}}\n", ":1:9: train.epochs: expected a number of"),
    "a whole number of 5,000 digits": bad(f"seeds: {'9' * 5000}\n", ":1:1: seeds: expected how many seeds"),
    "a switch in YAML 1.1": bad("train: {shuffle: no}\n", ":1:9: train.shuffle: expected true or false, found 'no'"),
    "a mapping for a number": bad("train: {lr: {a: 1}}\n", ":1:9: train.lr: expected a number, found"),
    "null for a list": bad("vary: {train.lr: null}\n", ":1:8: vary.train.lr: expected a list of at least one value"),
    "too many arms": bad(
        f"vary: {{train.lr: [{', '.join(map(str, range(1, 102)))}], "
        f"train.epochs: [{', '.join(map(str, range(1, 102)))}]}}\nseeds: 1\n",
        ":1:1: vary: expected at most 10,000 arms",
    ),
    "no images left": bad(
        "data: {train: 10, validation: 10}\n", ":1:19: data.validation: 10 validation images leave none of 10"
    ),
    "an impossible pair": bad(
        "model: {output: tanh}\ntrain: {loss: bce}\n", ":2:9: train.loss: bce is meant for probabilities"
    ),
    "a baseline that is not there": bad(
        "vary: {model.activation: [relu]}\nbaseline: {model.activation: tanh}\n",
        ":2:12: baseline.model.activation: expected one of the varied values (relu), found 'tanh' (text)",
    ),
    "a claim without bounds": bad("expect: [{claim: a, arm: {}}]\n", ":1:10: expect[0]: expected either `better` and"),
    "bounds the wrong way round": bad(
        "expect: [{claim: a, arm: {}, between: [2, 1]}]\n", ":1:30: expect[0].between: expected the smaller bound first"
    ),
    "escape codes in a value": bad(
        'train: {schedule: "\\e[2J\\u202e"}\n',
        ":1:9: train.schedule: expected one of 'constant', 'cosine' or 'linear', found '\\x1b[2J\\u202e' (text)",
    ),
    "escape codes in a key": bad('"\\e[2J\\n": 1\n', ":1:1: \\x1b[2J\\n: unknown key"),
    "several at once": bad(
        "model: {activation: rleu}\ntrain: {lr: low}\nseeds: 0\n",
        ":1:9: model.activation: no activation is called 'rleu'; did you mean",
        ":2:9: train.lr: expected a number, found 'low' (text)",
        ":3:1: seeds: expected how many seeds",
    ),
}

BAD_EXPERIMENTS = {
    **ENCODINGS, **OTHER_LANGUAGES, **SYNTAX, **TAGS, **BOMBS, **NAMES, **SETTINGS,
}  # fmt: skip
