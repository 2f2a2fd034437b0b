"""A client of `assay feed`: requests and pyarrow; NumPy for embeddings, PyTorch only where it is installed.

    feed = Feed("http://127.0.0.1:8791")
    for batch in batches(feed, embed=my_learner):          # NumPy arrays, for JAX or anything else
        ...
    loader = DataLoader(FeedDataset(feed), batch_size=None)  # PyTorch, the feed scoring with PUT /v1/learner

docs/feed.md says what each endpoint answers.
"""

import io
import json
import tarfile
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import requests

ARROW = "application/vnd.apache.arrow.stream"


class Feed:
    """One fine-tune's feed, as one of `world` data-parallel trainers sees it."""

    def __init__(self, url, token=None, rank=0, world=1, patience=60.0, timeout=600.0):
        self.url, self.rank, self.world = url.rstrip("/"), rank, world
        self.patience, self.timeout = patience, timeout
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}

    def status(self):
        """The next step to select, sizes, the learner that the feed has."""
        return self._ask("GET", "/v1/status").json()

    def super_batch(self, step, **image):
        """A step's candidates, this rank's slice: a pyarrow.Table. image="pixels", side=256 and so on."""
        return self._table("GET", "/v1/super-batches", {"step": step, **self._slice(), **image})

    def select(self, step, images, texts, scale, bias):
        """Selects by the learner's unit rows [n, d] of this rank's slice of the super-batch; scale is exp(t)."""
        table = pa.table({"image": _rows(images), "text": _rows(texts)})
        sink = io.BytesIO()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        query = {"step": step, **self._slice(), "scale": float(scale), "bias": float(bias)}
        return self._table("POST", "/v1/selections", query, sink.getvalue(), ARROW)

    def batch(self, step, **image):
        """A step's selected batch, this rank's slice: a pyarrow.Table, with the views of the recipe."""
        return self._table("GET", "/v1/batches", {"step": step, **self._slice(), **image})

    def put_learner(self, step, files, scale=None, bias=None):
        """Puts the learner's ONNX export: the feed scores with it.

        `files` is the folder that export_towers.py wrote, or {"onnx/vision_model.onnx": path or bytes, ...}.
        """
        if not isinstance(files, dict):
            paths = [path for path in Path(files).rglob("*") if path.is_file()]
            files = {path.relative_to(files).as_posix(): path for path in sorted(paths)}
        # On disk: an export has gigabytes.
        with tempfile.TemporaryFile() as body:
            with tarfile.open(fileobj=body, mode="w") as tar:
                for name, content in files.items():
                    with io.BytesIO(content) if isinstance(content, bytes) else open(content, "rb") as file:
                        member = tarfile.TarInfo(name)
                        member.size = file.seek(0, io.SEEK_END)
                        file.seek(0)
                        tar.addfile(member, file)
            query = {"step": step, "scale": scale, "bias": bias}
            return self._ask("PUT", "/v1/learner", query, body, "application/x-tar").json()

    def _slice(self):
        return {"rank": self.rank, "world": self.world} if self.world > 1 else {}

    def _table(self, method, path, query, body=None, content_type=None):
        answer = self._ask(method, path, query, body, content_type)
        with pa.ipc.open_stream(pa.BufferReader(answer.content)) as reader:
            return reader.read_all()

    def _ask(self, method, path, query=None, body=None, content_type=None):
        """Asks; while nobody answers (the feed is being started again) or it is busy it asks again, until patience ends.

        An answer may take longer than patience has: that counts from the first time that none came.
        """
        headers = dict(self.headers, **({"Content-Type": content_type} if content_type else {}))
        query = {name: value for name, value in (query or {}).items() if value is not None}
        until = None
        while True:
            if hasattr(body, "seek"):
                body.seek(0)
            try:
                answer = requests.request(
                    method, self.url + path, params=query, data=body, headers=headers, timeout=self.timeout
                )
            except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError):
                until = until or time.monotonic() + self.patience
                if time.monotonic() > until:
                    raise
                time.sleep(0.5)
                continue
            if answer.ok:
                return answer
            if answer.status_code == 503:
                until = until or time.monotonic() + self.patience
                if time.monotonic() < until:
                    time.sleep(0.5)
                    continue
            try:
                said = answer.json()["error"]
            except (ValueError, KeyError):
                said = answer.reason
            raise RuntimeError(f"{method} {path}: {answer.status_code}: {said}")


def _rows(values):
    values = np.ascontiguousarray(values)
    if values.dtype != np.float16:
        values = np.ascontiguousarray(values, dtype=np.float32)
    return pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), values.shape[1])


def arrays(table):
    """A table as NumPy arrays and lists: fixed-size lists in the shapes that the schema's metadata tells."""
    shapes = _shapes(table)
    columns = {}
    for name in table.column_names:
        column = table[name].combine_chunks()
        if isinstance(column, pa.ChunkedArray):
            column = column.chunk(0)
        if pa.types.is_fixed_size_list(column.type):
            flat = column.flatten().to_numpy(zero_copy_only=False)
            shape = shapes.get(name, (column.type.list_size,))
            columns[name] = flat.reshape((table.num_rows, *shape))
        elif pa.types.is_integer(column.type) and column.null_count == 0 or pa.types.is_floating(column.type):
            columns[name] = column.to_numpy(zero_copy_only=False)
        else:
            columns[name] = column.to_pylist()
    return columns


def _shapes(table):
    metadata = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
    image = json.loads(metadata.get("image", "{}"))
    views = json.loads(metadata.get("views", "{}"))
    shapes = {name: tuple(shape) for name, shape in views.items() if isinstance(shape, list)}
    if image.get("kind") == "pixels":
        shapes["pixels"] = (image["side"], image["side"], 3)
    elif image.get("kind") == "patches":
        shapes["patches"] = ((image["side"] // image["patch"]) ** 2, image["patch"] ** 2 * 3)
    elif image.get("kind") == "naflex":
        shapes["patches"] = (image["length"], image["patch"] ** 2 * 3)
    for name in ("global_boxes", "local_boxes"):
        shapes[name] = (-1, 4)
    return shapes


def batches(feed, embed=None, start=0, steps=None, views=False, **image):
    """Selected batches from step `start` on, as NumPy arrays, for JAX or anything else.

    `embed` is the learner as it is now: given a super-batch's arrays it returns unit rows (images [n, d], texts [n, d]),
    scale and bias. The batch is then cut out of the super-batch, or asked for with the recipe's views. Without `embed`
    the feed scores with the learner that was put last.
    """
    image = {"image": "pixels", **image}
    steps = feed.status()["steps"] if steps is None else steps
    for step in range(start, steps):
        if embed is None:
            yield arrays(feed.batch(step, **image))
            continue
        candidates = feed.super_batch(step, **image)
        selected = feed.select(step, *embed(arrays(candidates)))
        if views or feed.world > 1:
            yield arrays(feed.batch(step, **image))
        else:
            yield dict(arrays(candidates.take(selected["index"])), step=step)


try:
    from torch.utils.data import IterableDataset
except ImportError:
    IterableDataset = object


class FeedDataset(IterableDataset):
    """Selected batches for PyTorch: give it to a DataLoader with batch_size=None and num_workers at most 1.

    With `embed` it asks the learner that trains, so use num_workers=0 then; without, the feed scores by itself and one
    worker fetches the next batch while the step is taken.
    """

    def __init__(self, feed, embed=None, start=0, steps=None, views=False, **image):
        super().__init__()
        self.arguments = dict(feed=feed, embed=embed, start=start, steps=steps, views=views, **image)

    def __iter__(self):
        import torch

        worker = torch.utils.data.get_worker_info()
        if worker is not None and worker.num_workers > 1:
            raise RuntimeError("a feed has one order: use num_workers=0 or 1")
        for batch in batches(**self.arguments):
            yield {
                name: torch.from_numpy(np.array(value)) if isinstance(value, np.ndarray) else value
                for name, value in batch.items()
            }
