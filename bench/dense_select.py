"""The paper's pseudo-code of joint selection (JEST, arXiv 2406.17711, appendix): dense matrices, float32.

python3 dense_select.py FILE B b d N scale bias scale bias
FILE holds the float32 rows of learner images, learner texts, teacher images, teacher texts, each [B, d].
Prints one JSON object: seconds, peakBytes (above the interpreter with numpy), and the greedy selection.
"""

import json
import sys
import time

import numpy as np


def peak_bytes():
    with open("/proc/self/status") as status:
        for line in status:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


def pair_losses(images, texts, scale, bias):
    z = np.dot(images, texts.T)
    z *= scale
    z += bias
    z.flat[:: len(z) + 1] *= -1
    return np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z)))


def select(scores, batch, chunks, noise):
    count = scores.shape[0]
    own = np.diag(scores).copy()
    size = batch // chunks
    logits = own
    picked = np.zeros(0, np.int64)
    for chunk in range(chunks):
        wanted = size if chunk < chunks - 1 else batch - size * (chunks - 1)
        if chunk > 0:
            sampled = np.zeros(count, np.float32)
            sampled[picked] = 1
            logits = own + sampled @ scores + scores @ sampled - 1e8 * sampled
        keys = logits + noise(count) if noise else logits
        best = np.argpartition(-keys, wanted - 1)[:wanted]
        picked = np.concatenate([picked, best[np.argsort(-keys[best], kind="stable")]])
    return picked


path = sys.argv[1]
count, batch, dimension, chunks = (int(word) for word in sys.argv[2:6])
learner_scale, learner_bias, teacher_scale, teacher_bias = (np.float32(word) for word in sys.argv[6:10])
np.dot(np.ones((64, 64), np.float32), np.ones((64, 64), np.float32))
before = peak_bytes()
rows = np.fromfile(path, np.float32).reshape(4, count, dimension)
started = time.perf_counter()
scores = pair_losses(rows[0], rows[1], learner_scale, learner_bias)
scores = scores - pair_losses(rows[2], rows[3], teacher_scale, teacher_bias)
select(scores, batch, chunks, np.random.default_rng(1).gumbel)
seconds = time.perf_counter() - started
peak = peak_bytes() - before
print(json.dumps({"seconds": seconds, "peakBytes": peak, "greedy": select(scores, batch, chunks, None).tolist()}))
