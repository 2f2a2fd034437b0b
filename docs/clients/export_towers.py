"""The two towers of a SigLIP or SigLIP 2 checkpoint as ONNX files, in the layout that Assay reads.

    pip install torch torchvision "transformers>=4.57" sentencepiece onnx onnxscript
    python export_towers.py google/siglip2-base-patch16-224 models/siglip2-base      # a name, or a folder of your own

Writes config.json, preprocessor_config.json, tokenizer.json, assay.json (the scale and the bias), and
onnx/vision_model.onnx and onnx/text_model.onnx, of any batch; NaFlex's of any number of patches as well. From a training
loop: export_towers(model, folder), and save_processor(processor, folder) once.
"""

import argparse
import contextlib
import copy
import json
import math
import shutil
import warnings
from pathlib import Path

import torch


class VisionTower(torch.nn.Module):
    def __init__(self, vision):
        super().__init__()
        self.vision = vision

    def forward(self, pixel_values):
        output = self.vision(pixel_values=pixel_values)
        return output.last_hidden_state, output.pooler_output


class NaflexTower(VisionTower):
    def forward(self, pixel_values, pixel_attention_mask, spatial_shapes):
        # In their places: transformers 4 has another name for the mask.
        output = self.vision(pixel_values, pixel_attention_mask, spatial_shapes)
        return output.last_hidden_state, output.pooler_output


class TextTower(torch.nn.Module):
    """Without an attention mask: the towers were trained to see pads."""

    def __init__(self, text):
        super().__init__()
        self.text = text

    def forward(self, input_ids):
        output = self.text(input_ids=input_ids)
        return output.last_hidden_state, output.pooler_output


def positions_of(positions, spatial_shapes, max_length):
    """Siglip2VisionEmbeddings.resize_positional_embeddings without its loop over images, which no graph can hold.

    Bilinear and antialiased, [side, side, d] to [images, max_length, d]: each patch weighs the learned positions.
    """
    side = positions.shape[0]
    place = torch.arange(max_length, device=positions.device)
    height, width = (spatial_shapes[:, axis : axis + 1].clamp(min=1) for axis in (0, 1))
    used = (place < height * width).float().unsqueeze(-1)

    def weights(index, length):  # [images, max_length, side]
        step = side / length.float().unsqueeze(-1)
        spread = step.clamp(min=1)
        centre = (index.float().unsqueeze(-1) + 0.5) * step
        distance = (torch.arange(side, device=positions.device) + 0.5 - centre) / spread
        weight = (1 - distance.abs()).clamp(min=0)
        return weight / weight.sum(-1, keepdim=True).clamp(min=1e-6)

    down = weights(torch.div(place, width, rounding_mode="floor").minimum(height - 1), height)
    across = weights(torch.remainder(place, width), width)
    product = (down.unsqueeze(-1) * across.unsqueeze(-2)).flatten(2) * used
    return (product @ positions.float().flatten(0, 1)).to(positions.dtype)


def export_towers(model, folder):
    """Writes a SiglipModel's or a Siglip2Model's towers, its config, scale and bias; the model is left as it was."""
    folder = Path(folder)
    (folder / "onnx").mkdir(parents=True, exist_ok=True)
    with evaluating(model):
        model.config.save_pretrained(folder)
        numbers = {"logitScale": math.exp(model.logit_scale.item()), "logitBias": model.logit_bias.item()}
        (folder / "assay.json").write_text(json.dumps(numbers) + "\n")
        export_vision(runnable(model.vision_model), model.config, folder / "onnx/vision_model.onnx")
        text = model.config.text_config
        tokens = torch.ones(2, text.max_position_embeddings, dtype=torch.int64, device=model.device)
        tower = TextTower(runnable(model.text_model))
        write(tower, {"input_ids": tokens}, {"input_ids": {0: torch.export.Dim.DYNAMIC}}, folder / "onnx/text_model.onnx")


@contextlib.contextmanager
def evaluating(model):
    """Evaluates, and afterwards has each module as it was: a frozen tower of a model that trains evaluates anyway."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


def runnable(tower):
    """The tower, or a float32 copy where it is in bfloat16, which ONNX Runtime has no operators for."""
    is_brief = any(parameter.dtype == torch.bfloat16 for parameter in tower.parameters())
    return copy.deepcopy(tower).float() if is_brief else tower


def export_vision(tower, config, path):
    vision, batch, dynamic = config.vision_config, 2, torch.export.Dim.DYNAMIC
    sample = next(tower.parameters())
    kind = {"dtype": sample.dtype, "device": sample.device}
    if config.model_type != "siglip2":
        side = vision.image_size
        inputs = {"pixel_values": torch.zeros(batch, vision.num_channels, side, side, **kind)}
        return write(VisionTower(tower), inputs, {"pixel_values": {0: dynamic}}, path)
    length = vision.num_patches
    inputs = {
        "pixel_values": torch.zeros(batch, length, vision.patch_size**2 * vision.num_channels, **kind),
        "pixel_attention_mask": torch.ones(batch, length, dtype=torch.int64, device=sample.device),
        "spatial_shapes": torch.full((batch, 2), int(length**0.5), device=sample.device),
    }
    inputs["pixel_attention_mask"][:, -1] = 0
    axes = {0: dynamic, 1: dynamic}
    shapes = {"pixel_values": axes, "pixel_attention_mask": axes, "spatial_shapes": {0: dynamic}}
    tower.embeddings.resize_positional_embeddings = positions_of
    try:
        write(NaflexTower(tower), inputs, shapes, path)
    finally:
        del tower.embeddings.resize_positional_embeddings


def write(tower, inputs, shapes, path):
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            tower,
            kwargs=inputs,
            f=str(path),
            input_names=list(inputs),
            output_names=["last_hidden_state", "pooler_output"],
            dynamic_shapes=shapes,
            dynamo=True,
            verbose=False,
        )


def save_processor(processor, folder):
    """Writes preprocessor_config.json and the tokenizer. Raises where there is no tokenizer.json to be had."""
    from transformers.utils import cached_file

    source = processor.tokenizer.name_or_path
    path = Path(folder) / "tokenizer.json"
    if not (source and Path(source).resolve() == Path(folder).resolve()):
        # One that another export left would be taken for this one's.
        path.unlink(missing_ok=True)
    processor.image_processor.save_pretrained(folder)
    processor.tokenizer.save_pretrained(folder)
    if path.exists():
        return
    # SentencePiece's tokenizers, SigLIP's, save nothing but their own model, also where they came with the file.
    found = source and cached_file(source, path.name, _raise_exceptions_for_missing_entries=False)
    if not found:
        raise FileNotFoundError(
            f"{source or 'the tokenizer'} has no tokenizer.json, which Assay reads in place of spiece.model: "
            f"put the one of the published model (google/siglip-..., or onnx-community's) to {path}"
        )
    shutil.copyfile(found, path)


if __name__ == "__main__":
    from transformers import AutoModel, AutoProcessor

    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("checkpoint", help="a folder that transformers saved, or a name")
    parser.add_argument("folder", help="where to write")
    given = parser.parse_args()
    save_processor(AutoProcessor.from_pretrained(given.checkpoint), given.folder)
    export_towers(AutoModel.from_pretrained(given.checkpoint, dtype=torch.float32), given.folder)
    print(given.folder)
