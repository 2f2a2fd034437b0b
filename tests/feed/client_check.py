"""Drives assay_client.py against a feed: what it prints is checked by the test that starts it."""

import json
import sys
import types
from unittest import mock

import numpy as np

sys.path.insert(0, sys.argv[1])
import assay_client  # noqa: E402

feed = assay_client.Feed(sys.argv[2], patience=5)
random = np.random.default_rng(3)


def unit(rows):
    values = random.normal(size=(rows, 8)).astype(np.float32)
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def embed(candidates):
    rows = len(candidates["key"])
    assert candidates["pixels"].shape == (rows, 16, 16, 3), candidates["pixels"].shape
    return unit(rows), unit(rows), 10.0, -10.0


def patiently(error):
    """The status, where a first answer broke off after it had taken longer than patience has."""
    now, ask, tries = [0.0], assay_client.requests.request, []

    def slow(*given, **named):
        tries.append(given)
        if len(tries) > 1:
            return ask(*given, **named)
        now[0] += 1000
        raise error

    clock = types.SimpleNamespace(monotonic=lambda: now[0], sleep=lambda seconds: None)
    with mock.patch.object(assay_client, "time", clock), mock.patch.object(assay_client.requests, "request", slow):
        return feed.status()["steps"]


answer = {"numpy": [], "views": {}, "torch": None, "error": None}
broken = (assay_client.requests.ConnectionError(), assay_client.requests.exceptions.ChunkedEncodingError())
answer["patient"] = [patiently(error) for error in broken]
for batch in assay_client.batches(feed, embed, steps=3):
    answer["numpy"].append(batch["key"])
for batch in assay_client.batches(feed, embed, start=3, steps=4, views=True):
    answer["views"] = {name: list(batch[name].shape) for name in ("pixels", "global_views", "local_views", "patch_mask")}
try:
    feed.select(4, unit(5), unit(5), 10, -10)
except RuntimeError as error:
    answer["error"] = str(error)
try:
    import torch
    from torch.utils.data import DataLoader
except ImportError:
    pass
else:
    loader = DataLoader(assay_client.FeedDataset(feed, embed, start=4, steps=6), batch_size=None)
    answer["torch"] = [[batch["key"], list(batch["pixels"].shape), str(batch["pixels"].dtype)] for batch in loader]
print(json.dumps(answer))
