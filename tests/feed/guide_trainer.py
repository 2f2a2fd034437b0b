"""Runs a trainer of docs/fine-tune.md, as it is written there, with a small learner in place of a SigLIP 2.

    guide_trainer.py GUIDE CLIENTS URL                  PyTorch, a learner of two layers
    guide_trainer.py GUIDE CLIENTS URL siglip2 FOLDER   PyTorch, the guide's own learner: a SigLIP 2 of transformers
    guide_trainer.py GUIDE CLIENTS URL jax              JAX
"""

import re
import sys

guide, clients, url, kind, *rest = sys.argv[1:] if len(sys.argv) > 4 else [*sys.argv[1:], "plain"]
sys.path.insert(0, clients)
with open(guide, encoding="utf-8") as file:
    snippets = re.findall(r"```python\n(.*?)```", file.read(), re.DOTALL)


def run(wanted, names, **replaced):
    """Runs the guide's block that has `wanted` in it."""
    [snippet] = [one for one in snippets if wanted in one]
    for old, new in {"http://127.0.0.1:8791": url, **replaced}.items():
        snippet = snippet.replace(old, new)
    exec(compile(snippet, guide, "exec"), names)


def plain(names):
    """A learner of two layers, in the place of the guide's."""
    import torch
    from torch.nn.functional import normalize

    class Learner(torch.nn.Module):
        def __init__(self, _):
            super().__init__()
            self.image, self.text = torch.nn.Linear(3, 8), torch.nn.Embedding(64, 8)
            self.logit_scale = torch.nn.Parameter(torch.tensor(2.3))
            self.logit_bias = torch.nn.Parameter(torch.tensor(-10.0))

        def embed(self, pixels, texts):
            colours = torch.as_tensor(pixels).float().mean((1, 2)) / 255
            lengths = torch.tensor([len(text) % 64 for text in texts])
            return normalize(self.image(colours), dim=1), normalize(self.text(lengths), dim=1)

    names["Learner"] = Learner
    return "none"


def siglip2(folder):
    """A checkpoint of a SigLIP 2 with the tokenizer of `folder`, small, for images of 256 pixels."""
    import tempfile

    from transformers import AutoTokenizer, SiglipConfig, SiglipModel

    small = dict(hidden_size=16, intermediate_size=24, num_hidden_layers=1, num_attention_heads=2)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    config = SiglipConfig(
        text_config=dict(small, vocab_size=len(tokenizer)), vision_config=dict(small, image_size=256, patch_size=64)
    )
    checkpoint = tempfile.mkdtemp()
    SiglipModel(config).save_pretrained(checkpoint)
    tokenizer.save_pretrained(checkpoint)
    return checkpoint


def check_backward(names):
    """In parts of 2 of 5 pairs the loss and every gradient are those of the whole batch at once."""
    import torch
    from torch.nn.functional import logsigmoid

    learner = names["Learner"](names["checkpoint"])
    pixels = torch.randint(0, 256, (5, 256, 256, 3), dtype=torch.uint8).numpy()
    texts = ["a cat", "two red dogs", "the sea", "an old house", "boats"]
    images, captions = learner.embed(pixels, texts)
    logits = images @ captions.T * learner.logit_scale.exp() + learner.logit_bias
    whole = -logsigmoid((2 * torch.eye(5) - 1) * logits).sum() / 5
    whole.backward()
    expected = [parameter.grad for parameter in learner.parameters()]
    learner.zero_grad()
    in_twos = dict(names)
    run("def backward", in_twos, **{"256": "2"})
    loss = in_twos["backward"](learner, pixels, texts)
    torch.testing.assert_close(torch.tensor(loss), whole.detach())
    for parameter, gradient in zip(learner.parameters(), expected):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-4, atol=1e-6)
    assert any(gradient is not None and gradient.abs().max() > 0 for gradient in expected)


def in_torch(kind, *folder):
    names = {}
    run("def backward", names)
    if kind == "siglip2":
        run("class Learner", names)
    names["checkpoint"] = siglip2(*folder) if kind == "siglip2" else plain(names)
    check_backward(names)
    replaced = {"google/siglip2-base-patch16-256": names["checkpoint"], '"cuda"': '"cpu"', "1e-5": "1e-2"}
    run("import torch\nfrom assay_client", names, **replaced)
    return names["loss"]


def in_jax():
    import jax
    import jax.numpy as jnp

    keys = jax.random.split(jax.random.key(0))
    params = {
        "image": jax.random.normal(keys[0], (3, 8)),
        "text": jax.random.normal(keys[1], (64, 8)),
        "t": jnp.log(10.0),
        "b": jnp.array(-10.0),
    }

    def unit(rows):
        return rows / jnp.linalg.norm(rows, axis=1, keepdims=True)

    @jax.jit
    def forward(params, pixels, tokens):
        colours = pixels.astype(jnp.float32).mean((1, 2)) / 255
        # Half the width of a float, as a learner on an accelerator has them.
        return [unit(rows).astype(jnp.bfloat16) for rows in (colours @ params["image"], params["text"][tokens])]

    def loss_of(params, pixels, tokens):
        images, texts = (rows.astype(jnp.float32) for rows in forward(params, pixels, tokens))
        logits = images @ texts.T * jnp.exp(params["t"]) + params["b"]
        return -jax.nn.log_sigmoid((2 * jnp.eye(len(images)) - 1) * logits).sum() / len(images)

    @jax.jit
    def train_step(params, state, pixels, tokens):
        loss, slopes = jax.value_and_grad(loss_of)(params, pixels, tokens)
        return jax.tree.map(lambda weights, slope: weights - 0.01 * slope, params, slopes), state + 1, loss

    names = dict(
        params=params,
        state=0,
        step=0,
        forward=forward,
        train_step=train_step,
        tokenize=lambda texts: jnp.array([len(text) % 64 for text in texts]),
    )
    run("import jax", names)
    return float(names["loss"])


print(in_jax() if kind == "jax" else in_torch(kind, *rest))
