"""Other ways to cluster, on the same texts and vectors as `springline-bench clusters --quality`.

    springline-bench clusters --quality --model DIR --vectors FILE   # makes FILE, and prints our figures
    python -m venv VENV && VENV/bin/pip install river==0.26.1 scikit-learn==1.9.1
    VENV/bin/python bench/compare/clusters.py DATA FILE [SET ...]

DATA is the folder that SPRINGLINE_TEST_DATA names; a SET is the beginning of a name in the table. Each way has one
configuration for all sets, except that k-means is told how many clusters there are. Batch methods see distinct texts
once and all at the same time; TextClust sees the words of all, one after the other, in the order of the file and in two
others.

Limits: HDBSCAN and average linkage look at all pairs, so they get the first 8,000 distinct texts of an order that is
the same in every run (their scores are over these); that takes 2 GB and some minutes.
"""

import base64
import csv
import json
import pathlib
import random
import sys
import time

import numpy as np
from sklearn.cluster import HDBSCAN, AgglomerativeClustering, MiniBatchKMeans
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

MOST_IN_PAIRS = 8_000
ORDERS = 3


def lines(path):
    return [line.rstrip("\r") for line in path.read_text(encoding="utf-8").removesuffix("\n").split("\n")]


def labelled(data):
    """The sets of the bench, each with its texts and what people say of them."""
    feedback = data / "feedback"
    yield (
        "Google News",
        lines(feedback / "googlenews/GoogleNews.txt"),
        lines(feedback / "googlenews/GoogleNews_LABEL.txt"),
    )
    rows = []
    for part in ("train", "test"):
        with open(feedback / f"banking77/{part}.csv", encoding="utf-8", newline="") as file:
            rows.extend(csv.DictReader(file))
    yield "Banking77", [row["text"] for row in rows], [row["category"] for row in rows]
    folder = feedback / "stackoverflow20"
    yield "StackOverflow", lines(folder / "title_StackOverflow.txt"), lines(folder / "label_StackOverflow.txt")


def vectors(path):
    """By text: what the bench keeps, `model:base64 "text"` a line, as directions."""
    known = {}
    for line in open(path, encoding="utf-8"):
        vector, _, text = line.rstrip("\n").partition(" ")
        packed = vector.partition(":")[2]
        values = base64.b64decode(packed + "=" * (-len(packed) % 4))
        values = np.frombuffer(values, dtype=np.int8).astype(np.float32)
        known[json.loads(text)] = values / np.linalg.norm(values)
    return known


def say(name, way, texts, labels, found, seconds):
    ari = adjusted_rand_score(labels, found)
    nmi = normalized_mutual_info_score(labels, found)
    print(f"{name:<14} {way:<24} {texts:>6} {ari:>6.3f} {nmi:>6.3f} {len(set(found)):>8} {seconds:>6.1f}", flush=True)


def text_clust(texts):
    """River's streaming clustering of words. With its defaults it merges too much; this was the best of a few tries."""
    from river import cluster, compose, feature_extraction

    model = compose.Pipeline(
        feature_extraction.BagOfWords(lowercase=True),
        cluster.TextClust(real_time_fading=False, fading_factor=0.0005, radius=0.8, auto_merge=False),
    )
    for text in texts:
        model.learn_one(text)
    return [model.predict_one(text) for text in texts]


def main():
    data, kept, wanted = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3:]
    known = vectors(kept)
    print(f"{'':<14} {'':<24} {'texts':>6} {'ARI':>6} {'NMI':>6} {'clusters':>8} {'s':>6}")
    for name, texts, labels in labelled(data):
        if wanted and not any(name.startswith(each) for each in wanted):
            continue
        distinct = sorted({text for text in texts if text in known})
        random.Random(1).shuffle(distinct)
        label = dict(zip(texts, labels))
        directions = np.stack([known[text] for text in distinct])
        truth = [label[text] for text in distinct]
        some, few = directions[:MOST_IN_PAIRS], truth[:MOST_IN_PAIRS]
        ways = {
            "HDBSCAN (batch)": (lambda v: HDBSCAN(min_cluster_size=5, copy=True).fit_predict(v), some, few),
            "average linkage (batch)": (
                lambda v: AgglomerativeClustering(
                    n_clusters=None, distance_threshold=0.65, metric="cosine", linkage="average"
                ).fit_predict(v),
                some,
                few,
            ),
            "k-means, true k (batch)": (
                lambda v: MiniBatchKMeans(len(set(labels)), n_init=3, random_state=1, batch_size=4096).fit_predict(v),
                directions,
                truth,
            ),
        }
        for way, (cluster, points, people) in ways.items():
            started = time.monotonic()
            found = list(cluster(points))
            # What HDBSCAN calls noise belongs to nothing else: each is one of its own.
            found = [int(one) if one >= 0 else -2 - at for at, one in enumerate(found)]
            say(name, way, len(points), people, found, time.monotonic() - started)
        for order in range(ORDERS):
            numbers = list(range(len(texts)))
            if order:
                random.Random(order).shuffle(numbers)
            started = time.monotonic()
            found = text_clust([texts[number] for number in numbers])
            people = [labels[number] for number in numbers]
            say(name, f"TextClust, order {order + 1}", len(texts), people, found, time.monotonic() - started)


if __name__ == "__main__":
    main()
