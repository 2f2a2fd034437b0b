"""Makes the models of this folder with the classes of transformers, small and random, and what they answer.

    pip install torch torchvision transformers onnx onnxscript onnxruntime sentencepiece protobuf pillow
    python tests/models/conformance/make.py

docs/decisions/conformance.md has the versions that made what is committed, and the tolerances.
"""

import json
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import sentencepiece
import torch
from onnxruntime import InferenceSession
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.transformers.float16 import convert_float_to_float16
from PIL import Image
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    GemmaTokenizer,
    Siglip2Config,
    Siglip2ImageProcessor,
    Siglip2Model,
    Siglip2Tokenizer,
    SiglipConfig,
    SiglipImageProcessor,
    SiglipModel,
    SiglipTokenizer,
)
from transformers.models.siglip2.image_processing_pil_siglip2 import Siglip2ImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

here = Path(__file__).parent
sys.path.insert(0, str(here.parents[2] / "docs/clients"))
from export_towers import TextTower, VisionTower, export_towers, positions_of  # noqa: E402

texts = json.loads((here / "texts.json").read_text())
sides = [(32, 32), (64, 64), (97, 61), (40, 150), (300, 25), (33, 200), (16, 16), (9, 13), (640, 480), (1000, 37)]
lengths = [128, 256, 576, 784, 1024]
tower = dict(hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2)
vision = dict(tower, patch_size=8)


def picture(width, height):
    """The same pixels as conformance.test.ts draws: slopes, edges, a texture."""
    x, y, c = np.arange(width)[None, :, None], np.arange(height)[:, None, None], np.arange(3)[None, None, :]
    return ((x * (3 + c) + y * (5 - c) + ((x * y) >> 4) + ((x ^ y) & 31) * c) & 255).astype(np.uint8)


def stir(model):
    """Random weights as transformers draws them are nearly without biases and with one scale of all norms."""
    for name, weights in model.named_parameters():
        if name == "logit_scale":
            weights.data.fill_(4.7)
        elif name == "logit_bias":
            weights.data.fill_(-15.5)
        else:
            weights.data += 0.1 * torch.randn_like(weights)
    return model.eval()


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def floats(array):
    return [[float(f"{value:.7g}") for value in row] for row in np.asarray(array)]


def levels(pixels):
    """Values in [-1, 1] of pixels that were bytes."""
    scaled = (np.asarray(pixels, np.float64) + 1) * 127.5
    assert np.abs(scaled - scaled.round()).max() < 1e-3
    return scaled.round().astype(int)


def samples(flat, count=48):
    """Evenly many out of a long row, with a stride that no period of a picture divides."""
    stride = max(1, len(flat) // count | 1)
    return [value if isinstance(value, int) else float(f"{value:.6g}") for value in flat[::stride].tolist()]


def exact(image, size, mode):
    """The resize in floats, which transformers rounds to bytes: [1, 3, h, w] in [-1, 1]."""
    values = torch.from_numpy(image).permute(2, 0, 1)[None].double()
    resized = torch.nn.functional.interpolate(values, size, mode=mode, align_corners=False, antialias=True)
    return (resized.clamp(0, 255) / 127.5 - 1).float()


def slim(path):
    """Without the exporter's notes, which are most of a small graph."""
    graph = onnx.load(path, load_external_data=False)
    del graph.graph.value_info[:]
    for node in list(graph.graph.node) + [node for function in graph.functions for node in function.node]:
        del node.metadata_props[:]
        node.doc_string = ""
    for part in [graph, graph.graph, *graph.functions, *graph.graph.input, *graph.graph.output, *graph.graph.initializer]:
        del part.metadata_props[:]
    onnx.save(graph, path)


def embed(tower_of, **inputs):
    with torch.no_grad():
        return tower_of(**inputs).pooler_output.numpy()


def run(path, **inputs):
    return InferenceSession(path).run(["pooler_output"], inputs)[0]


def gemma(kind, lines, **kwargs):
    """A tokenizer like Gemma's: byte fallback, spaces as ▁, its special tokens at their places."""
    special = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"]
    trained = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    trained.normalizer = normalizers.Replace(" ", "▁")
    trained.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    trainer = trainers.BpeTrainer(
        vocab_size=520, special_tokens=special + [f"<0x{byte:02X}>" for byte in range(256)], show_progress=False
    )
    trained.train_from_iterator(lines, trainer)
    state = json.loads(trained.to_str())["model"]
    merges = [tuple(pair) for pair in state["merges"]]
    return kind(
        vocab=state["vocab"],
        merges=merges,
        add_bos_token=False,
        add_eos_token=True,
        padding_side="right",
        model_input_names=["input_ids"],
        **kwargs,
    )


def save_gemma(tokenizer, folder):
    tokenizer.save_pretrained(folder)
    # A new one by its file, as a person opens it: the padding of a call before isn't kept.
    return type(tokenizer).from_pretrained(folder)


def ids_of(tokenizer, given, length=64):
    return tokenizer(given, padding="max_length", max_length=length, truncation=True)["input_ids"]


def lower_ascii(text):
    """TensorFlow's `lower` without an encoding, by which SigLIP 2's texts were lower-cased (big_vision)."""
    return text.encode().lower().decode()


def save_unigram(folder, lines):
    """SigLIP's sentencepiece model, and the tokenizer.json that repositories have beside it."""
    with tempfile.TemporaryDirectory() as work:
        corpus = Path(work) / "corpus.txt"
        corpus.write_text("\n".join(SiglipTokenizer.canonicalize_text(Lowering, line) for line in lines))
        sentencepiece.SentencePieceTrainer.train(
            input=str(corpus),
            model_prefix=f"{work}/spiece",
            vocab_size=300,
            model_type="unigram",
            normalization_rule_name="identity",
            unk_id=2,
            pad_id=0,
            eos_id=1,
            bos_id=-1,
            hard_vocab_limit=False,
            minloglevel=2,
        )
        reference = SiglipTokenizer(f"{work}/spiece.model")
        pieces = [
            (reference.sp_model.id_to_piece(i), reference.sp_model.get_score(i)) for i in range(reference.vocab_size)
        ]
        tokenizer = Tokenizer(models.Unigram(pieces, unk_id=2))
        tokenizer.add_special_tokens(["</s>", "<unk>"])
        punctuation = r"""[!"\#\$%&'\(\)\*\+,\-\./:;<=>\?@\[\\\]\^_`\{\|\}\~]"""
        tokenizer.normalizer = normalizers.Sequence(
            [
                normalizers.Lowercase(),
                normalizers.Replace(Regex(punctuation), ""),
                normalizers.Replace(Regex(r"\s+"), " "),
                normalizers.Strip(),
            ]
        )
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
        tokenizer.decoder = decoders.Metaspace(prepend_scheme="always")
        tokenizer.post_processor = processors.TemplateProcessing("$A </s>", None, [("</s>", 1)])
        tokenizer.save(str(folder / "tokenizer.json"))
        reference.save_pretrained(folder)
        (folder / "spiece.model").unlink()
        for name in ("special_tokens_map.json", "added_tokens.json"):
            (folder / name).unlink(missing_ok=True)
        return reference


class Lowering:
    do_lower_case = True
    remove_punctuation = staticmethod(lambda text: SiglipTokenizer.remove_punctuation(None, text))


def fixed(name, processor, pil, mode, tokenize, vocabulary, text_side, bias_in_weights, layers=2):
    """A SiglipModel of 32 pixels and what it answers."""
    folder = here / name
    torch.manual_seed(len(name))
    config = SiglipConfig(
        text_config=dict(tower, num_hidden_layers=layers, vocab_size=vocabulary, max_position_embeddings=text_side),
        vision_config=dict(vision, num_hidden_layers=layers, image_size=32),
    )
    model = stir(SiglipModel(config))
    export_towers(model, folder)
    if bias_in_weights:
        (folder / "assay.json").unlink()
        from safetensors.torch import save_file

        save_file({"logit_scale": model.logit_scale.data, "logit_bias": model.logit_bias.data}, folder / "model.safetensors")
    processor.save_pretrained(folder)
    images = [picture(*side) for side in sides]
    pictures = [Image.fromarray(image) for image in images]
    rounded = processor(pictures, return_tensors="pt")["pixel_values"]
    by_pil = torch.from_numpy(np.stack(pil(pictures)["pixel_values"]))
    whole = torch.cat([exact(image, (32, 32), mode) for image in images])
    tokens = torch.tensor(tokenize)
    expected = {
        "sides": sides,
        "logits": {"scale": float(model.logit_scale.exp()), "bias": float(model.logit_bias)},
        "levels": [samples(levels(one.flatten())) for one in rounded],
        "levelsPil": [samples(levels(one.flatten())) for one in by_pil],
        "pixels": [samples(one.flatten().numpy()) for one in whole],
        "images": floats(unit(embed(model.vision_model, pixel_values=whole))),
        "imagesRounded": floats(unit(embed(model.vision_model, pixel_values=rounded))),
        "tokens": tokens.tolist(),
        "texts": floats(unit(embed(model.text_model, input_ids=tokens))),
    }
    return folder, model, expected, whole, tokens


def write(folder, expected):
    for path in folder.glob("onnx/*.onnx"):
        slim(path)
    (folder / "expected.json").write_text(json.dumps(expected, ensure_ascii=False, separators=(",", ":")) + "\n")


def make_siglip(lines):
    (here / "siglip").mkdir(parents=True, exist_ok=True)
    reference = save_unigram(here / "siglip", lines)
    # As big_vision had them. By itself SiglipTokenizer keeps a mark of leading spaces, and takes "</s>" for a token.
    given = [reference.canonicalize_text(text.replace("▁", " ")) for text in texts]
    processor = SiglipImageProcessor(size={"height": 32, "width": 32})
    pil = SiglipImageProcessorPil(size={"height": 32, "width": 32})
    folder, *_, expected, _, _ = fixed(
        "siglip", processor, pil, "bicubic", ids_of(reference, given, 16), reference.vocab_size, 16, True
    )
    write(folder, expected)


def make_siglip2(lines):
    """Exported as optimum does, by TorchScript; with half-precision and 8-bit files beside."""
    folder = here / "siglip2"
    (folder / "onnx").mkdir(parents=True, exist_ok=True)
    tokenizer = save_gemma(gemma(GemmaTokenizer, lines), folder)
    given = ids_of(tokenizer, [lower_ascii(text) for text in texts])
    options = {"size": {"height": 32, "width": 32}, "resample": Image.Resampling.BILINEAR}
    _, model, expected, whole, tokens = fixed(
        "siglip2",
        SiglipImageProcessor(**options),
        SiglipImageProcessorPil(**options),
        "bilinear",
        given,
        len(tokenizer),
        64,
        False,
        layers=1,
    )
    for path in (folder / "onnx").iterdir():
        path.unlink()
    batch, outputs = {0: "batch_size"}, ["last_hidden_state", "pooler_output"]
    pixels = {0: "batch_size", 1: "num_channels", 2: "height", 3: "width"}
    ids = {0: "batch_size", 1: "sequence_length"}
    for part, of, value, axes in (
        ("vision", VisionTower(model.vision_model), {"pixel_values": whole[:2]}, {"pixel_values": pixels}),
        ("text", TextTower(model.text_model), {"input_ids": tokens[:2]}, {"input_ids": ids}),
    ):
        path = str(folder / f"onnx/{part}_model.onnx")
        torch.onnx.export(
            of,
            kwargs=value,
            f=path,
            dynamo=False,
            opset_version=18,
            input_names=list(value),
            output_names=outputs,
            dynamic_axes={**axes, **{output: batch for output in outputs}},
        )
        quantize_dynamic(path, path.replace("model.onnx", "model_quantized.onnx"), weight_type=QuantType.QUInt8)
        onnx.save(convert_float_to_float16(onnx.load(path), keep_io_types=False), path.replace(".onnx", "_fp16.onnx"))
    quantized = lambda part, **inputs: floats(unit(run(folder / f"onnx/{part}_model_quantized.onnx", **inputs)))  # noqa: E731
    # Activations are scaled by all that is in a batch: one row a run.
    expected["quantized"] = {
        "images": [quantized("vision", pixel_values=one[None])[0] for one in whole.numpy()],
        "texts": [quantized("text", input_ids=one[None])[0] for one in tokens.numpy()],
    }
    write(folder, expected)


def make_naflex(lines):
    """As transformers saves it now: one processor_config.json."""
    folder = here / "naflex"
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(7)
    tokenizer = save_gemma(gemma(Siglip2Tokenizer, [line.lower() for line in lines]), folder)
    config = Siglip2Config(
        text_config=dict(tower, vocab_size=len(tokenizer)), vision_config=dict(vision, num_patches=16)
    )
    model = stir(Siglip2Model(config))
    export_towers(model, folder)
    options = {"patch_size": 8, "max_num_patches": 48}
    processor, pil = Siglip2ImageProcessor(**options), Siglip2ImageProcessorPil(**options)
    saved = {"image_processor": processor.to_dict(), "processor_class": "Siglip2Processor"}
    (folder / "processor_config.json").write_text(json.dumps(saved, indent=2, sort_keys=True) + "\n")
    images = [picture(*side) for side in sides]
    pictures = [Image.fromarray(image) for image in images]
    rounded = processor(pictures, return_tensors="pt")
    by_pil = pil(pictures)
    shapes = rounded["spatial_shapes"]
    whole = torch.zeros_like(rounded["pixel_values"])
    for i, (image, (down, across)) in enumerate(zip(images, shapes.tolist())):
        values = exact(image, (down * 8, across * 8), "bilinear")[0]
        patches = values.reshape(3, down, 8, across, 8).permute(1, 3, 2, 4, 0).reshape(down * across, -1)
        whole[i, : down * across] = patches
    # PyTorch's own antialiased resize to a width of 1 is wrong on the processor (2.13): such images are left out there.
    compared = [i for i, (_, across) in enumerate(shapes.tolist()) if across > 1]
    embeddings = model.vision_model.embeddings
    embeddings.resize_positional_embeddings = positions_of
    others = embed(model.vision_model, **{**rounded, "pixel_values": whole})
    del embeddings.resize_positional_embeddings
    theirs = embed(model.vision_model, **{**rounded, "pixel_values": whole})
    assert np.abs(theirs - others)[compared].max() < 1e-5
    used = rounded["pixel_attention_mask"].bool()
    tokens = torch.tensor(ids_of(tokenizer, texts))
    sizes = [(int(w), int(h)) for w, h in np.random.default_rng(5).integers(1, 1500, (60, 2))] + sides
    expected = {
        "sides": sides,
        "logits": {"scale": float(model.logit_scale.exp()), "bias": float(model.logit_bias)},
        "shapes": shapes.tolist(),
        "mask": rounded["pixel_attention_mask"].sum(1).tolist(),
        "levels": [samples(levels(one[on].flatten())) for one, on in zip(rounded["pixel_values"], used)],
        "levelsPil": [samples(levels(one[on].flatten())) for one, on in zip(by_pil["pixel_values"], used.numpy())],
        "pixels": [samples(one[on].flatten().numpy()) for one, on in zip(whole, used)],
        "images": floats(unit(others)),
        "imagesRounded": floats(unit(embed(model.vision_model, **rounded))),
        "compared": compared,
        "tokens": tokens.tolist(),
        "texts": floats(unit(embed(model.text_model, input_ids=tokens))),
        # Of patches of 16 pixels: [width, height, then down and across for each sequence length].
        "grids": [[*size, *(value for length in lengths for value in grid(size, length))] for size in sizes],
    }
    write(folder, expected)


def grid(size, length):
    from transformers.models.siglip2.image_processing_siglip2 import get_image_size_for_max_num_patches

    return [side // 16 for side in get_image_size_for_max_num_patches(size[1], size[0], 16, length)]


if __name__ == "__main__":
    for name in ("siglip", "siglip2", "naflex"):
        shutil.rmtree(here / name, ignore_errors=True)
    # What is learned of the texts is not what they hold: some of their characters stay unknown.
    lines = [text for text in texts if len(text) > 12] * 3
    make_siglip(lines)
    make_siglip2(lines)
    make_naflex(lines)
