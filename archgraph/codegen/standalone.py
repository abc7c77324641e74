"""A detector that stands alone: the generated network with all that turns its maps into boxes.

The functions around the network are those of `archgraph.detect`, letter by letter.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from string import Template

from archgraph.analysis import image_size_of
from archgraph.codegen.interface import image_size_fact, interface
from archgraph.codegen.layout import INDENT, WIDTH, docstring, lines
from archgraph.codegen.snippets import definitions_in
from archgraph.codegen.source import GeneratedSource, imports
from archgraph.detect import PIXELS, Anchors, DetectorSettings, PostprocessSettings
from archgraph.errors import CodegenError, Diagnostic
from archgraph.ir import Graph

OUTPUTS = ("classes", "boxes")
# What the file holds of `archgraph.detect`, in this order: module, then function.
BORROWED = (
    ("preprocess", "fit_tensor"),
    ("anchors", "anchor_boxes"),
    ("postprocess", "flat"),
    ("boxes", "cxcywh_from_xyxy"),
    ("boxes", "xyxy_from_cxcywh"),
    ("boxes", "clip_xyxy"),
    ("coding", "decode_xyxy"),
    ("coding", "in_single"),
    ("fixed", "best_boxes"),
    ("fixed", "overlaps_at"),
)
# What it holds besides, for one way of suppression or another.
LIKELIEST = (("fixed", "likeliest_alone"),)
HARD = (("fixed", "suppressed"),)
SOFT = (("suppression", "decay"), ("fixed", "softened"))
DETECT = Path(__file__).parents[1] / "detect"
NAMES = ("Detector", "BoxDetector", "PhotographDetector")
METHODS = Template('''\
    def __init__(self) -> None:
        super().__init__()
        self.network = $network()
        height, width = self.image_size
        octaves, ratios = self.octaves, self.ratios
        anchors = anchor_boxes(height, width, self.network.levels, self.scales, octaves, ratios)
        self.register_buffer("anchors", anchors, persistent=False)

    def forward(self, photos: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Boxes on photographs, best first.

        Args:
            photos: RGB from 0 to 255, all of one size; shape (B, 3, height, width).

        Returns:
            Left, top, right and bottom in pixels of the photographs, shape (B, most, 4); scores
            and classes, shape (B, most). Where there are no more boxes the score is 0 and the
            class -1.
        """
        image, scale = fit_tensor(photos, self.image_size, self.mean, self.std)
        class_maps, box_maps = self.network(image)
        logits, deltas = flat(class_maps, self.classes), flat(box_maps, 4)
$likeliest        boxes, best, classes = best_boxes(logits, deltas, self.anchors, self.candidates)
        height, width = photos.shape[-2:]
        boxes = clip_xyxy(boxes, width / scale, height / scale)
        boxes, scores, classes = $suppression
        return boxes * scale, scores, classes''')
LIKELIEST_LINE = f"{2 * INDENT}logits = likeliest_alone(logits)\n"


def detector_settings(graph: Graph, anchors: Anchors | None = None) -> DetectorSettings:
    """What the spec of a detector says of its boxes; EfficientDet's where it says nothing.

    A model may say, as parameters or under `let`: `image_size`, `anchor_scale` (the side of a
    square anchor in strides) and `pixels`, a key of `detect.PIXELS`.

    Args:
        graph: at OPERATORS.
        anchors: others than the default ones.

    Raises:
        CodegenError: E414, it is no detector, or these are not its anchors.
    """
    called, types = interface(graph), graph.infer_types()
    if not called.takes_image or sorted(called.outputs) != sorted(OUTPUTS):
        outputs = ", ".join(name for name in called.outputs if name) or "maps"
        raise _refused(
            f"'{graph.name}' gives {outputs}; boxes are told from 'classes' and 'boxes'",
            "a detector is a model with `outputs: [classes, boxes]`",
        )
    found = {name: [types[value] for value in called.outputs[name]] for name in OUTPUTS}
    levels = tuple(type_.level for type_ in found["classes"])
    if levels != tuple(type_.level for type_ in found["boxes"]):
        raise _refused("'classes' and 'boxes' stand on different levels", "give both the same")
    said = dict(graph.scopes[""].arguments) if "" in graph.scopes else {}
    scale = said.get("anchor_scale", 4)
    scale = float(scale) if isinstance(scale, int | float) else 4.0
    anchors = anchors or Anchors(levels=levels, scale=scale)
    widths = {name: {type_.channels for type_ in each} for name, each in found.items()}
    if widths["boxes"] != {4 * anchors.per_pixel}:
        channels = ", ".join(map(str, sorted(widths["boxes"])))
        raise _refused(
            f"'boxes' has {channels} channels, where {anchors.per_pixel} anchors on a pixel need "
            f"{4 * anchors.per_pixel}",
            "give as many anchors as the model predicts",
        )
    wide = min(widths["classes"])
    if len(widths["classes"]) > 1 or wide % anchors.per_pixel:
        raise _refused(
            f"'classes' has {wide} channels, which is no multiple of the {anchors.per_pixel} "
            "anchors on a pixel",
            "it needs one for each class of each anchor",
        )
    pixels = str(said.get("pixels", "imagenet"))
    if pixels not in PIXELS:
        raise _refused(f"there are no pixels '{pixels}'", f"there are {', '.join(PIXELS)}")
    size = image_size_of(graph) or image_size_fact(graph) or (512, 512)
    return DetectorSettings(size, anchors, wide // anchors.per_pixel, PIXELS[pixels])


def _refused(message: str, hint: str) -> CodegenError:
    return CodegenError(Diagnostic("E414", message, None, hint))


def stand_alone(
    source: GeneratedSource, settings: DetectorSettings, class_names: Sequence[str] = ()
) -> GeneratedSource:
    """The file of a detector, with a class `Detector` that takes photographs and gives boxes.

    Args:
        source: what `emit` made of the detector.
        settings: those of `detector_settings`, or others.
        class_names: one for each class, in order; none if they are not known.

    Raises:
        CodegenError: E414, the number of names is not that of the classes.
    """
    if class_names and len(class_names) != settings.classes:
        raise _refused(
            f"there are {len(class_names)} names for {settings.classes} classes",
            "give a name for each class, in order",
        )
    taken = {node.name for node in ast.parse(source.text).body if isinstance(node, ast.ClassDef)}
    name = next(name for name in NAMES if name not in taken)
    added = [
        *_functions(settings),
        "\n".join(_class(name, source.class_name, settings, class_names)),
    ]
    head, body = _parted(source.text)
    whole = "\n\n\n".join([body, *added])
    text = f"{head}{imports(whole)}\n\n\n{whole}\n"
    shift = text[: text.index(body)].count("\n") - source.text[: source.text.index(body)].count(
        "\n"
    )
    origins = {line + shift: origin for line, origin in source.origins.items()}
    return replace(source, text=text, class_name=name, origins=origins)


def _parted(text: str) -> tuple[str, str]:
    """What stands before the imports of torch and what after them."""
    found = [n for n in ast.parse(text).body if isinstance(n, ast.Import | ast.ImportFrom)]
    rows = text.split("\n")
    first, last = found[1].lineno, found[-1].end_lineno or 0
    return "\n".join(rows[: first - 1]) + "\n", "\n".join(rows[last:]).strip("\n")


def _functions(settings: DetectorSettings) -> Iterator[str]:
    post = settings.postprocess
    way = HARD if post.method == "hard" else SOFT
    for module, name in (*BORROWED, *(LIKELIEST if post.choose == "best-class" else ()), *way):
        text = (DETECT / f"{module}.py").read_text("utf-8")
        yield definitions_in(text)[name]


def _class(
    name: str, network: str, settings: DetectorSettings, class_names: Sequence[str]
) -> Iterator[str]:
    doc = f"{network} with all that stands around it: photographs in, boxes out."
    yield f"class {name}(nn.Module):"
    yield from [docstring([doc], 1), ""]
    for fact, value in _facts(settings, class_names).items():
        yield from (line.text for line in lines(f"{fact} = {value}", 1))
    yield f"{INDENT}anchors: Tensor"
    yield ""
    post = settings.postprocess
    likeliest = LIKELIEST_LINE if post.choose == "best-class" else ""
    yield METHODS.substitute(network=network, likeliest=likeliest, suppression=_suppression(post))


def _suppression(post: PostprocessSettings) -> str:
    """The call that thins boxes out, as a formatter leaves it."""
    names = ["threshold", "least", "most"]
    if post.method != "hard":
        names = ["method", "sigma", *names]
    if post.agnostic:
        names.append("agnostic")
    function = "suppressed" if post.method == "hard" else "softened"
    given = ["boxes", "best.sigmoid()", "classes", *(f"self.{name}" for name in names)]
    row = f"{3 * INDENT}{', '.join(given)}"
    if len(row) > WIDTH:
        row = ",\n".join(f"{3 * INDENT}{each}" for each in given) + ","
    return f"{function}(\n{row}\n{2 * INDENT})"


def _facts(settings: DetectorSettings, class_names: Sequence[str]) -> dict[str, str]:
    anchors, post = settings.anchors, settings.postprocess
    candidates = post.candidates
    if post.choose == "best-class":
        candidates = min(candidates, len(anchors.xyxy(*settings.image_size)))
    soft = {"method": _quoted(post.method), "sigma": repr(post.sigma)}
    return {
        **({"class_names": _tuple(map(_quoted, class_names))} if class_names else {}),
        "classes": str(settings.classes),
        "image_size": repr(settings.image_size),
        "mean": repr(settings.pixels.mean),
        "std": repr(settings.pixels.std),
        "scales": _tuple(map(repr, anchors.scales)),
        "octaves": _tuple(map(repr, map(float, anchors.octaves))),
        "ratios": _tuple(map(repr, anchors.ratios)),
        "candidates": str(candidates),
        **(soft if post.method != "hard" else {}),
        "threshold": repr(post.threshold),
        "least": repr(post.limit),
        "most": str(post.most),
        **({"agnostic": "True"} if post.agnostic else {}),
    }


def _tuple(parts: Iterator[str]) -> str:
    listed = list(parts)
    return f"({', '.join(listed)}{',' if len(listed) == 1 else ''})"


def _quoted(text: str) -> str:
    """A text as Python reads it back, in letters that end no string and turn no line."""
    return '"' + text.encode("unicode_escape").decode("ascii").replace('"', "\\x22") + '"'
