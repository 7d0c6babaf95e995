"""scikit-learn's `MLPClassifier`, one model, one `partial_fit` an epoch so that each epoch can be scored.

float32 inputs, which it then computes in; no L2 penalty; everything else, threads too, as scikit-learn has it.
"""

from __future__ import annotations

import time

from sklearn.neural_network import MLPClassifier

from benchmarks.job import HIDDEN, LEARNING_RATE, Job, load_images
from benchmarks.measurement import Measurement, measurement_of

EPOCHS = 2


def measure(job: Job, name: str) -> Measurement:
    """Training and scoring, without reading the images."""
    epochs = min(EPOCHS, job.max_epochs)
    images = load_images(job)
    model = MLPClassifier(HIDDEN, batch_size=job.batch_images, learning_rate_init=LEARNING_RATE, alpha=0.0)
    accuracy = 0.0
    started = time.perf_counter()
    for _ in range(epochs):
        model.partial_fit(images.train_inputs, images.train_labels, classes=range(job.facts().classes))
        accuracy = model.score(images.validation_inputs, images.validation_labels)
    return measurement_of(name, time.perf_counter() - started, 1, epochs, accuracy)
