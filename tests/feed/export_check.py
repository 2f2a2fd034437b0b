"""What export_towers.py does with models and processors: what it prints is checked by the test that starts it.

    export_check.py CLIENTS MODELS OUT [SENTENCEPIECE]
"""

import json
import shutil
import sys
from pathlib import Path
from unittest import mock

import torch
from transformers import AutoConfig, AutoModel, AutoProcessor

clients, models, out, *rest = sys.argv[1:]
sys.path.insert(0, clients)
import export_towers  # noqa: E402

models, out = Path(models), Path(out)
answer = {}


def made(name, dtype):
    torch.manual_seed(3)
    return AutoModel.from_config(AutoConfig.from_pretrained(models / name)).to(dtype)


def exported(name, dtype, folder):
    """Beside the model's own processor; says what was changed of the model."""
    shutil.copytree(models / name, folder, ignore=shutil.ignore_patterns("onnx", "assay.json", "expected.json", "*.safetensors"))
    model = made(name, dtype).train()
    model.text_model.eval()
    model.vision_model.encoder.layers[0].eval()
    before = {path: (module.training, sorted(vars(module))) for path, module in model.named_modules()}
    tensors = {path: (tensor.dtype, tensor.clone()) for path, tensor in model.state_dict().items()}
    export_towers.export_towers(model, folder)
    changed = [p for p, module in model.named_modules() if before[p] != (module.training, sorted(vars(module)))]
    after = model.state_dict()
    return changed + [p for p, (dtype, tensor) in tensors.items() if after[p].dtype != dtype or not torch.equal(after[p], tensor)]


for name in ("siglip2", "naflex"):
    answer[name] = exported(name, torch.float32, out / name)
    answer[name] += exported(name, torch.bfloat16, out / f"{name}-bfloat16")

model = made("naflex", torch.float32).train()
model.text_model.eval()
with mock.patch.object(export_towers, "write", side_effect=RuntimeError("it failed")):
    try:
        export_towers.export_towers(model, out / "failed")
    except RuntimeError as error:
        answer["failed"] = str(error)
answer["modes"] = [model.training, model.vision_model.training, model.text_model.training]
answer["patched"] = "resize_positional_embeddings" in vars(model.vision_model.embeddings)

if rest:
    import sentencepiece

    # As the hub has SigLIP: SentencePiece's model, and tokenizer.json beside it.
    source = out / "source"
    shutil.copytree(models / "siglip", source)
    settings = json.loads((source / "tokenizer_config.json").read_text())
    plain = {name: value for name, value in settings.items() if isinstance(value, (str, int))}
    (source / "tokenizer_config.json").write_text(json.dumps({**plain, "tokenizer_class": "SiglipTokenizer"}))
    settings = json.loads((source / "preprocessor_config.json").read_text())
    (source / "preprocessor_config.json").write_text(json.dumps({**settings, "processor_class": "SiglipProcessor"}))
    (out / "texts").write_text("\n".join(["a photo of a cat", "the red house by the sea", "an old boat", "green trees"] * 20))
    sentencepiece.SentencePieceTrainer.train(
        input=str(out / "texts"),
        model_prefix=str(source / "spiece"),
        vocab_size=60,
        unk_id=2,
        pad_id=0,
        eos_id=1,
        bos_id=-1,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    shutil.move(source / "spiece.vocab", out / "vocab")
    export_towers.save_processor(AutoProcessor.from_pretrained(source), out / "processor")
    answer["saved"] = sorted(path.name for path in (out / "processor").iterdir())
    same = [(folder / "tokenizer.json").read_bytes() for folder in (source, out / "processor")]
    answer["same"] = same[0] == same[1]
    (source / "tokenizer.json").unlink()
    try:
        export_towers.save_processor(AutoProcessor.from_pretrained(source), out / "none")
    except FileNotFoundError as error:
        answer["none"] = str(error)
print(json.dumps(answer))
