"""What every key of the language says, in a sentence: for editors, which show it at the key.

`docs/language.md` has the whole story. A test holds this table to the models.
"""

from __future__ import annotations

from collections.abc import Mapping

# What a key says wherever it stands.
_EVERYWHERE: Mapping[str, str] = {
    "act": "The step that `use: act` means.",
    "archgraph": "The version of the language.",
    "backbone": "The name of the backbone.",
    "bias": "Whether a convolution that a norm follows has a bias; `settings.bias` in expressions.",
    "block": "Steps after the fusion, or after `use`; `none` for none.",
    "defaults": "What nodes and edges do that say nothing themselves, and arguments of blocks.",
    "doc": "A sentence for readers.",
    "down": "Steps that bring a finer value down to the level of its node.",
    "edge": "What edges do that say nothing themselves; applied after the passes.",
    "extends": "A document of the same kind that this one starts from.",
    "first": "Arguments of the first repetition only.",
    "for": "A loop: `l in lo..hi` ascends, `l in hi downto lo` descends.",
    "from": "What is read: `name`, `maybe name` or `name else other`; names may have holes.",
    "fuse": "The fusion: how any number of inputs become one.",
    "inputs": "What the network is given: `in<l>` is one input for each level.",
    "let": "Values and functions by name, each of those above it.",
    "level": "The level, an expression; else the loop variable `l`, else that of the inputs.",
    "levels": "A range of levels, such as `3..7`.",
    "map": "Numbers by level, read by calling the parameter.",
    "model": "The name of the model.",
    "name": "The name; may have holes such as `td<l>`.",
    "node": "What `fuse` nodes are that say nothing themselves.",
    "nodes": "Nodes in order of execution.",
    "norm": "The step that `use: norm` means.",
    "outputs": "What the network returns, one value for each level.",
    "init": "How weights of convolutions are drawn before training.",
    "own": "What nodes that share weights do not share: `[norm]`.",
    "padding": "Where an odd pixel of padding goes: both sides as in PyTorch, or as in TensorFlow.",
    "parameters": "What may be set from outside: name to default, or `required`.",
    "passes": "Rewrites of the graph, in this order.",
    "pin": "Passes neither remove this node nor add inputs.",
    "project": "Steps that run first, at the size of the source, to change channels.",
    "remove": "Inherited nodes to leave out, by their names as written there.",
    "repeat": "How many times, an expression.",
    "resample": "`none`: the value keeps its size.",
    "settings": "Habits that everything inside inherits.",
    "share": "The name of a set of weights; what names one set has the same weights.",
    "step": "A step: `name key=value key=value`.",
    "topology": "The name of the network.",
    "up": "Steps that bring a coarser value up to the level of its node.",
    "use": "A step: an operator or a block with its arguments.",
    "variants": "Named rows that override parameters, values of `let` and settings.",
    "when": "A condition; where it is false, this is left out.",
    "with": "More arguments; their values may have spaces.",
}
# What it says in one mapping, where that is more exact.
_SPECIAL: Mapping[tuple[str, str], str] = {
    ("BackboneDocument", "defaults"): "Arguments for every use of a block in this document.",
    ("BackboneDocument", "inputs"): "The name of what the backbone reads, by default `x`.",
    ("BackboneDocument", "outputs"): "Its results under their levels: `{3: stage3, 4: stage5}`.",
    ("BlockDocument", "block"): "The name of the block.",
    ("BlockDocument", "defaults"): "Arguments for every use of a block in this document.",
    ("BlockDocument", "inputs"): "The names of what the block reads; `many x` takes any number.",
    ("BlockDocument", "outputs"): "The result, or results by name; else the last node.",
    ("BlockNodeModel", "from"): "What the node reads; else the node before it, or the input.",
    ("EdgeModel", "name"): "The name of the edge; else that of what it reads.",
    ("ModelDocument", "defaults"): "Arguments for every use of a block or topology in it.",
    ("ModelDocument", "nodes"): "Backbone, necks and heads, in order of execution.",
    ("ModelDocument", "outputs"): "The node, or nodes, whose pyramids the model returns.",
    ("ModelNodeModel", "from"): "The node that is read; by default the one before it.",
    ("ModelNodeModel", "passes"): "Passes that the topology runs after its own.",
    ("ModelNodeModel", "share"): "`levels`: one set of weights for all levels; or another node's.",
    ("ModelNodeModel", "use"): "A backbone, a topology, or a block for every level.",
    ("InputModel", "level"): "The level of the input; else the loop variable `l`.",
    ("NodeModel", "from"): "What the node reads, in order; or what each input of a block reads.",
    ("NodeDefaults", "block"): "Steps after the fusion; `none` for none.",
    ("StepParameter", "step"): "A step: `name key=value key=value`, or `none`.",
}


def describe(mapping: str, key: str) -> str:
    """What `key` says in the mapping of this class name; empty for keys nobody described."""
    return _SPECIAL.get((mapping, key)) or _EVERYWHERE.get(key, "")
