"""A backbone on its own: an image in, a feature of every level out."""

from __future__ import annotations

from archgraph.assemble.binding import check_step
from archgraph.assemble.blocks import Blocks, file_of
from archgraph.errors import Diagnostic, SpecError
from archgraph.expressions import Argument, Step, scalar_text
from archgraph.ir import Edge, EdgeSteps, Graph, Model, Node, Scope, Settings, Stage
from archgraph.ir.pyramid import Input, Result, Use
from archgraph.ir.settings import INHERIT, ROOT_SETTINGS
from archgraph.ir.signature import VARIANT, argument_kinds, input_names
from archgraph.spec import (
    IMAGE,
    IMAGE_CHANNELS,
    INPUT_CHANNELS,
    Arguments,
    BackboneDocument,
    Library,
)

# The name of the node; what is made of it stands in no node at last.
BACKBONE = "backbone"


def assemble_backbone(
    document: BackboneDocument,
    arguments: Arguments,
    library: Library,
    settings: Settings = INHERIT,
    variant: str = "",
) -> Model:
    """The graph of a backbone that reads an image.

    Args:
        document: the backbone.
        arguments: values of its parameters, and `in_channels`, those of the image (3).
        library: where blocks are looked up.
        settings: what the user sets from outside; counts before the document's own.
        variant: the row of `variants` that is chosen, if any.

    Raises:
        SpecError: every mistake that was found, placed.
    """
    where = document.at(document.kind)
    blocks = Blocks(library, file_of(document))
    step = blocks.resolve(Step(document.name, _arguments(arguments, variant), None, where), ())
    given = blocks.inherited(settings)
    check_step(step, argument_kinds(step, blocks.known) or {}, blocks.known)
    step = blocks.with_words(step)
    ports = input_names(step, blocks.known)
    if len(ports) > 1:
        message = f"'{document.name}' has {len(ports)} inputs, so it does not stand on its own"
        raise SpecError(Diagnostic("E116", message, where, "use it in a model"))
    if blocks.faults:
        raise SpecError(blocks.faults)
    graph = Graph(document.name, Stage.PYRAMID, ROOT_SETTINGS, EdgeSteps())
    shown = tuple((argument.key, argument.text) for argument in step.arguments)
    graph.scopes[""] = Scope("", document.name, shown, (IMAGE,), (), where, document.doc.strip())
    graph.add(Node(IMAGE, Input(0, _image_channels(arguments)), "", IMAGE, where))
    results = blocks.known[step.use].results
    op = Use(0, (step,), (), given, results)
    graph.add(Node(BACKBONE, op, "", BACKBONE, where), [Edge(IMAGE, ports[0])])
    outputs: dict[str, str] = {}
    for result in results:
        name = outputs[result] = f"{BACKBONE}.{result}"
        graph.add(Node(name, Result(result), "", name, where), [Edge(BACKBONE, BACKBONE)])
    graph.set_outputs(dict(sorted(outputs.items(), key=lambda pair: int(pair[0][1:]))))
    return Model(graph, blocks.known)


def _arguments(arguments: Arguments, variant: str) -> tuple[Argument, ...]:
    found = [Argument(VARIANT, variant, None)] if variant else []
    for key, given in arguments.items():
        if key == INPUT_CHANNELS:
            continue
        if not isinstance(given.value, bool | int | float | str):
            message = f"'{key}' is {given.value!r}; expected a number or the text of a step"
            raise SpecError(Diagnostic("E113", message, given.location))
        text = given.value if isinstance(given.value, str) else scalar_text(given.value)
        found.append(Argument(key, text, given.location))
    return tuple(found)


def _image_channels(arguments: Arguments) -> int:
    given = arguments.get(INPUT_CHANNELS)
    if given is None:
        return IMAGE_CHANNELS
    value = given.value
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        message = f"'{INPUT_CHANNELS}' is {value!r}; channels are whole numbers of at least 1"
        raise SpecError(Diagnostic("E113", message, given.location))
    return value
