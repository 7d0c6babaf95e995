"""Experiment files with one mistake each, and the line that names it."""

from __future__ import annotations

from actbench.config.reader import KNOWN_KEYS

NAMES = "letters, digits, `.`, `_` and `-`, beginning with a letter or digit (at most 64)"


SEEDS = "how many seeds (1 to 10,000) or a list of different whole numbers from 0 to 9223372036854775807"


CHOICE = "a name or {name: {setting: value}} of"


SCALE = "unit, standard, none or a number above 0 to divide by"


BATCH = "a whole number from 1 to 10,000,000, or full"


CANNOT = "bce is meant for probabilities, but output tanh gives bounded scores: it cannot be computed"


LIMITS = "at most 10,000 arms and 100,000 trials"


NUMBERS_1_TO_101 = ", ".join(map(str, range(1, 102)))


UNITS_101_TIMES = ", ".join(["{units: 2}"] * 101)


WIDTHS_101_TIMES = ", ".join(["2"] * 101)


UNKNOWN_KEYS = [
    ("modle: {}", "1:1: modle: unknown key; did you mean model?"),
    ("sed: 3", "1:1: sed: unknown key; did you mean seeds?"),
    ("zzz: 3", f"1:1: zzz: unknown key; known here: {', '.join(KNOWN_KEYS)}"),
    ("1: 3", f"1:1: 1: unknown key; known here: {', '.join(KNOWN_KEYS)}"),
    ("data: {datset: mnist}", "1:8: data.datset: unknown key; did you mean dataset or test?"),
    ("data:\n  zzz: 1",
     "2:3: data.zzz: unknown key; known here: dataset, train, test, validation, split, scale"),
    ("model: {activaton: relu}", "1:9: model.activaton: unknown key; did you mean activation?"),
    ("model: {lr: 1}", "1:9: model.lr: unknown key here; lr belongs under train"),
    ("train: {epoch: 3}", "1:9: train.epoch: unknown key; did you mean epochs?"),
    ("train: {learning_rate: 1}", "1:9: train.learning_rate: unknown key; known here: loss, optimizer, lr, batch_size, "
                                  "epochs, weight_decay, schedule, precision, shuffle"),
    ("model: {layers: [{units: 3, unit: 3}]}", "1:29: model.layers[0].unit: unknown key; did you mean units or init?"),
    ("model: {layers: [{units: 3}, {units: 3, hidden: 3}]}",
     "1:41: model.layers[1].hidden: unknown key; known here: units, activation, init, bias_init, dropout, batch_norm"),
    ("vary: {model.layers: [[{units: 3, unit: 3}]]}",
     "1:35: vary.model.layers[0][0].unit: unknown key; did you mean units or init?"),
    ("vary: {model.activaton: [relu]}",
     "1:8: vary.model.activaton: unknown setting; did you mean model.activation, model.init or model.bias_init?"),
    ("vary: {activation: [relu]}",
     "1:8: vary.activation: unknown setting; did you mean model.activation?"),
    ("vary: {data.dataset: [digits, cube]}",
     "1:8: vary.data.dataset: an experiment has one dataset: write one file for each"),
    ("tune: {train.lr: [1]}", "1:8: tune.train.lr: expected at least two values to choose from"),
    ("tune: {lr: [1, 2]}", "1:8: tune.lr: unknown setting; did you mean train.lr?"),
    ("tune: 3", "1:1: tune: expected a mapping such as `train.lr: [1e-3, 1e-2]`, or a list of such mappings, "
     "found 3 (a whole number)"),
    ("tune: {train.lr: [1, 1]}", "1:22: tune.train.lr[1]: the same as entry 0 of this list"),
    ("tune: {data.train: [100, 200]}", "1:8: tune.data.train: which images there are cannot be tuned, only data.scale"),
    ("vary: {train.lr: [1, 2]}\ntune: {train.lr: [1, 2]}",
     "2:8: tune.train.lr: is varied too: either compare its values or tune it"),
    ("data: {validation: 0}\ntune: {train.lr: [1, 2]}",
     "2:1: tune: values are chosen on validation images, and none are held out"),
    ("tuning_seeds: 0", "1:1: tuning_seeds: expected how many seeds (1 to 100), found 0 (a whole number)"),
    ("seeds: {looks: [20, 11]}", "1:1: seeds: expected increasing numbers of seeds (2 to 10,000), found [20, 11]"),
    ("seeds: {look: [11, 20]}", "1:1: seeds: unknown key 'look'; known here: looks, first, alpha"),
    ("seeds: {looks: 3}", "1:1: seeds: expected looks such as [11, 20, 40, 80] (at most 20), found 3 (a whole number)"),
    ("seeds: {looks: [11, 20], first: -1}",
     "1:1: seeds: expected the first seed from 0 to 9223372036854765807, found -1 (a whole number)"),
    ("seeds: {looks: [11, 20], alpha: [0.04, 0.02]}",
     "1:1: seeds: expected as alpha a share of 0.05 for each of the 2 looks, with a sum of at most 0.05, found "
     "[0.04, 0.02] (a list)"),
    ("seeds: {looks: [11, 20]}",
     "1:1: seeds: looks need a baseline (or claims) against which arms can be settled"),
    ("margin: 2",
     "1:1: margin: expected a difference in accuracy as a fraction, such as 0.001, found 2 (a whole number)"),
    ("name: a\nexpect: []", "2:1: expect: expected a list of claims, found [] (a list)"),
]  # fmt: skip


WRONG_TYPES = [
    ("3", "1:1: expected settings such as `model:` and `train:`, found 3 (a whole number)"),
    ("[data, model]", "1:1: expected settings such as `model:` and `train:`, found [\"data\", \"model\"] (a list)"),
    ("--- # nothing\n", "2:1: expected settings such as `model:` and `train:`, found nothing"),
    ("data: digits", "1:1: data: expected a mapping, found 'digits' (text)"),
    ("model: [64, 32]", "1:1: model: expected a mapping, found [64, 32] (a list)"),
    ("train: 3", "1:1: train: expected a mapping, found 3 (a whole number)"),
    ("vary: [relu]",
     "1:1: vary: expected a mapping such as `model.activation: [relu, tanh]`, or a list of such mappings, "
     "found [\"relu\"] (a list)"),
    ("vary: {train.lr: 0.1}", "1:8: vary.train.lr: expected a list of at least one value, found 0.1 (a number)"),
    ("vary: {train.lr: []}", "1:8: vary.train.lr: expected a list of at least one value, found [] (a list)"),
    ("vary: {train.lr: }", "1:8: vary.train.lr: expected a list of at least one value, found nothing"),
    ("vary: {train.lr: [0.1, low]}", "1:24: vary.train.lr[1]: expected a number, found 'low' (text)"),
    ("vary: {model.hidden: [64]}", "1:23: vary.model.hidden[0]: expected a list, found 64 (a whole number)"),
    ("data: {dataset: 3}", "1:8: data.dataset: expected text, found 3 (a whole number)"),
    ("data: {train: many}", "1:8: data.train: expected a whole number, found 'many' (text)"),
    ("data: {train: 1e3}", "1:8: data.train: expected a whole number, found 1000.0 (a number)"),
    ("data: {scale: true}", f"1:8: data.scale: expected {SCALE}, found true (true or false)"),
    ("model: {hidden: 64}", "1:9: model.hidden: expected a list, found 64 (a whole number)"),
    ("model: {hidden: [64, big]}", "1:22: model.hidden[1]: expected a whole number, found 'big' (text)"),
    ("model: {layers: [64]}", "1:18: model.layers[0]: expected a mapping, found 64 (a whole number)"),
    ("model: {layers: [{}]}", "1:18: model.layers[0].units: required, but not there"),
    ("model: {batch_norm: yes}", "1:9: model.batch_norm: expected true or false, found 'yes' (text)"),
    ("model: {dropout: null}", "1:9: model.dropout: expected a number, found nothing"),
    ("train: {lr: '1e-3'}", "1:9: train.lr: expected a number, found '1e-3' (text)"),
    ("train: {lr: true}", "1:9: train.lr: expected a number, found true (true or false)"),
    ("train: {epochs: 1.5}", "1:9: train.epochs: expected a whole number, found 1.5 (a number)"),
    ("train: {shuffle: 1}", "1:9: train.shuffle: expected true or false, found 1 (a whole number)"),
    ("train: {batch_size: {a: 1}}", f"1:9: train.batch_size: expected {BATCH}, found {{\"a\": 1}} (a mapping)"),
    ("vary: {train.lr: [1]}\nbaseline: 1",
     "2:1: baseline: expected a mapping such as `model.activation: relu`, found 1 (a whole number)"),
]  # fmt: skip


OUT_OF_RANGE = [
    ("data: {train: 0}", "1:8: data.train: expected a number of at least 1, found 0 (a whole number)"),
    ("data: {validation: -1}", "1:8: data.validation: expected a number of at least 0, found -1 (a whole number)"),
    ("data: {scale: 0}", f"1:8: data.scale: expected {SCALE}, found 0 (a whole number)"),
    ("data: {scale: .nan}", f"1:8: data.scale: expected {SCALE}, found nan (a number)"),
    ("data: {scale: .inf}", f"1:8: data.scale: expected {SCALE}, found inf (a number)"),
    ("data: {scale: standart}", f"1:8: data.scale: expected {SCALE}, found 'standart' (text); did you mean standard?"),
    ("data: {split: stratifed}",
     "1:8: data.split: expected one of 'stratified' or 'tail', found 'stratifed' (text); did you mean stratified?"),
    ("model: {hidden: [0]}", "1:18: model.hidden[0]: expected a number of at least 1, found 0 (a whole number)"),
    ("model: {hidden: [65537]}",
     "1:18: model.hidden[0]: expected a number of at most 65536, found 65537 (a whole number)"),
    (f"model: {{hidden: [{WIDTHS_101_TIMES}]}}", "1:9: model.hidden: expected at most 100 layers"),
    (f"model: {{layers: [{UNITS_101_TIMES}]}}", "1:9: model.layers: expected at most 100 layers"),
    (f"vary: {{model.layers: [[{UNITS_101_TIMES}]]}}", "1:23: vary.model.layers[0]: expected at most 100 layers"),
    ("model: {dropout: 1}", "1:9: model.dropout: expected a number below 1, found 1 (a whole number)"),
    ("model: {layers: [{units: 3, dropout: -1}]}",
     "1:29: model.layers[0].dropout: expected a number of at least 0, found -1 (a whole number)"),
    ("train: {lr: 0}", "1:9: train.lr: expected a number above 0, found 0 (a whole number)"),
    ("train: {lr: .inf}", "1:9: train.lr: expected a finite number, found inf (a number)"),
    ("train: {lr: .nan}", "1:9: train.lr: expected a finite number, found nan (a number)"),
    ("train: {batch_size: 0}", f"1:9: train.batch_size: expected {BATCH}, found 0 (a whole number)"),
    ("train: {batch_size: ful}", f"1:9: train.batch_size: expected {BATCH}, found 'ful' (text)"),
    ("train: {epochs: 0}", "1:9: train.epochs: expected a number of at least 1, found 0 (a whole number)"),
    ("train: {weight_decay: -1}",
     "1:9: train.weight_decay: expected a number of at least 0, found -1 (a whole number)"),
    ("train: {schedule: cosin}", "1:9: train.schedule: expected one of 'constant', 'cosine' or 'linear', "
                                 "found 'cosin' (text); did you mean cosine?"),
    (f"vary: {{train.lr: [{NUMBERS_1_TO_101}], train.epochs: [{NUMBERS_1_TO_101}]}}\nseeds: 1",
     f"1:1: vary: expected {LIMITS}, found 10,201 arms and 10,201 trials: split the experiment"),
    (f"seeds: 1000\nvary: {{train.lr: [{NUMBERS_1_TO_101}]}}",
     f"2:1: vary: expected {LIMITS}, found 101 arms and 101,000 trials: split the experiment"),
]  # fmt: skip


UNKNOWN_NAMES = [
    ("data: {dataset: minst}",
     "1:8: data.dataset: no dataset is called 'minst'; did you mean mnist, qmnist or kmnist?"),
    ("data: {dataset: zzz}", "1:8: data.dataset: no dataset is called 'zzz'; known here: mnist, fashion_mnist, kmnist, "
                             "emnist_balanced, emnist_digits, emnist_letters, qmnist, usps, digits, "
                             "thermostat, cube, moons"),
    ("model: {activation: rleu}",
     "1:9: model.activation: no activation is called 'rleu'; did you mean relu, relu6 or prelu?"),
    ("model: {activation: RELU}",
     "1:9: model.activation: no activation is called 'RELU'; did you mean relu, relu6 or prelu?"),
    ("model: {activation: no}",
     "1:9: model.activation: no activation is called 'no' (a function of your own needs --use FILE)"),
    ("model: {activation: softbent}",
     "1:9: model.activation: no activation is called 'softbent'; did you mean softsign? "
     "(a function of your own needs --use FILE)"),
    ("model: {layers: [{units: 3, activation: tahn}]}",
     "1:29: model.layers[0].activation: no activation is called 'tahn'; did you mean tanh or arctan?"),
    ("model: {init: kaiming}",
     "1:9: model.init: no initialiser is called 'kaiming'; did you mean kaiming_normal or kaiming_uniform?"),
    ("model: {output_init: torchdefault}",
     "1:9: model.output_init: no initialiser is called 'torchdefault'; did you mean torch_default?"),
    ("model: {output: softmx}",
     "1:9: model.output: no output is called 'softmx'; did you mean softmax or log_softmax?"),
    ("train: {loss: nl}", "1:9: train.loss: no loss is called 'nl'; did you mean nll?"),
    ("train: {optimizer: adm}", "1:9: train.optimizer: no optimizer is called 'adm'; did you mean adam or adamw?"),
    ("vary:\n  model.activation: [relu,\n    {tahn: }]",
     "3:5: vary.model.activation[1]: no activation is called 'tahn'; did you mean tanh or arctan?"),
]  # fmt: skip


BAD_CHOICES = [
    ("model: {activation: {leaky_relu: {negativ_slope: 1}}}",
     "1:35: model.activation.leaky_relu.negativ_slope: unknown key; did you mean negative_slope?"),
    ("vary: {model.activation: [{leaky_relu: {negative_slope: steep}}]}",
     "1:41: vary.model.activation[0].leaky_relu.negative_slope: expected a number, found 'steep' (text)"),
    ("model: {activation: {relu: {slope: 1}}}",
     "1:29: model.activation.relu.slope: unknown key; known here: none"),
    ("model: {activation: {celu: {alpha: 0}}}",
     "1:29: model.activation.celu.alpha: expected a number above 0, found 0 (a whole number)"),
    ("model: {activation: {gelu: {approximate: tan}}}", "1:29: model.activation.gelu.approximate: expected one of "
     "'none' or 'tanh', found 'tan' (text); did you mean tanh?"),
    ("train: {optimizer: {adam: {betas: [0.9, 1]}}}",
     "1:41: train.optimizer.adam.betas[1]: expected a number below 1, found 1 (a whole number)"),
    ("train: {optimizer: {adam: {betas: 0.9}}}",
     "1:28: train.optimizer.adam.betas: expected a list, found 0.9 (a number)"),
    ("train: {optimizer: {adam: {lr: 0.9}}}",
     "1:28: train.optimizer.adam.lr: unknown key; known here: betas, eps, amsgrad"),
    ("model: {activation: {relu: {}, tanh: {}}}",
     f"1:9: model.activation: expected {CHOICE} activation, found {{\"relu\": {{}}, \"tanh\": {{}}}} (a mapping)"),
    ("model: {init: {constant: 1}}",
     f"1:9: model.init: expected {CHOICE} initialiser, found {{\"constant\": 1}} (a mapping)"),
    ("model: {output: {}}", f"1:9: model.output: expected {CHOICE} output, found {{}} (a mapping)"),
    ("train: {loss: [nll]}", f"1:9: train.loss: expected {CHOICE} loss, found [\"nll\"] (a list)"),
    ("train: {optimizer: }", f"1:9: train.optimizer: expected {CHOICE} optimizer, found nothing"),
]  # fmt: skip


NAMES_AND_SEEDS = [
    *[(f"name: {given}", f"1:1: name: expected a name of {NAMES}, found {shown}") for given, shown in [
        ("a b", "'a b' (text)"), ("-a", "'-a' (text)"), ("_a", "'_a' (text)"), ("''", "'' (text)"),
        ("..", "'..' (text)"), ("a/b", "'a/b' (text)"), ("größe", "'größe' (text)"), ("5", "5 (a whole number)"),
        ("[a]", '["a"] (a list)'), ("x" * 65, f"'{'x' * 56}... (text)"),
    ]],
    *[(f"data: {{}}\nseeds: {given}", f"2:1: seeds: expected {SEEDS}, found {shown}") for given, shown in [
        ("0", "0 (a whole number)"), ("-1", "-1 (a whole number)"), ("10001", "10001 (a whole number)"),
        ("1.5", "1.5 (a number)"), ("true", "true (true or false)"), ("text", "'text' (text)"),
        ("[]", "[] (a list)"), ("[1, 1]", "[1, 1] (a list)"), ("[0, -1]", "[0, -1] (a list)"),
        ("[a]", '["a"] (a list)'),
    ]],
]  # fmt: skip


VARY_AND_BASELINE = [
    ("vary: {model.activation: [swish, tanh, silu]}",
     "1:40: vary.model.activation[2]: the same as entry 0 of this list"),
    ("vary: {train.lr: [1, 1e-3, 0.001]}", "1:28: vary.train.lr[2]: the same as entry 1 of this list"),
    ("vary: {model.activation: [elu, {elu: {alpha: 1}}]}",
     "1:32: vary.model.activation[1]: the same as entry 0 of this list"),
    ("baseline: {model.activation: relu}",
     "1:12: baseline.model.activation: expected a setting that is varied; known here: none"),
    ("vary: {train.lr: [1]}\nbaseline: {seeds: 1}",
     "2:12: baseline.seeds: expected a setting that is varied; known here: train.lr"),
    ("vary: {model.activation: [relu]}\nbaseline: {activation: relu}",
     "2:12: baseline.activation: expected a setting that is varied; did you mean model.activation?"),
    ("vary: {model.activation: [relu, {elu: {alpha: 2}}]}\nbaseline: {model.activation: elu}",
     "2:12: baseline.model.activation: expected one of the varied values (relu, {'elu': {'alpha': 2.0}}), "
     "found 'elu' (text)"),
    ("vary: {model.activation: [relu]}\nbaseline: {model.activation: mihs}",
     "2:12: baseline.model.activation: no activation is called 'mihs'; did you mean mish?"),
]  # fmt: skip


IMPOSSIBLE = [
    ("model: {hidden: [3], layers: [{units: 3}]}", "1:22: model.layers: give either hidden or layers, not both"),
    ("model: {hidden: [3]}\nvary: {model.layers: [[{units: 3}]]}",
     "2:8: vary.model.layers: give either hidden or layers, not both"),
    ("data: {train: 1438}", "1:8: data.train: expected at most 1437 images, which is what digits has, found 1438"),
    ("data: {dataset: cube, test: 1001}",
     "1:23: data.test: expected at most 1000 images, which is what cube has, found 1001"),
    ("data: {train: 10, validation: 10}",
     "1:19: data.validation: 10 validation images leave none of 10 to train on"),
    ("data: {validation: 100}\nvary: {data.train: [200, 100, 50]}",
     "1:8: data.validation: 100 validation images leave none of 100 to train on (`train=100`); "
     "`exclude: impossible` leaves such arms out",
     "1:8: data.validation: 100 validation images leave none of 50 to train on (`train=50`); "
     "`exclude: impossible` leaves such arms out"),
    ("model: {output: tanh}\ntrain: {loss: bce}", f"2:9: train.loss: {CANNOT}"),
    ("model:\n  output: tanh\nvary: {train.loss: [mse, bce]}",
     f"3:8: vary.train.loss: {CANNOT} (`bce`); `exclude: impossible` leaves such arms out"),
    ("train: {loss: bce}\nvary: {model.output: [sigmoid, tanh]}",
     f"1:9: train.loss: {CANNOT} (`tanh`); `exclude: impossible` leaves such arms out"),
    ("train: {optimizer: {sgd: {nesterov: true}}}",
     "1:9: train.optimizer: nesterov needs a momentum above 0 and dampening 0"),
    ("data: {dataset: thermostat}\nmodel: {output: softmax}\ntrain: {loss: bce}",
     "2:9: model.output: softmax compares several output units, and thermostat has one (use sigmoid with bce)"),
]  # fmt: skip
