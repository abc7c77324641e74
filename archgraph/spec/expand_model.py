"""From a model document and arguments to plain nodes that exist, each with what it reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from archgraph.errors import Diagnostic, Location, SpecError, suggest
from archgraph.expressions import expand_template, parse_entry
from archgraph.spec.arguments import Arguments
from archgraph.spec.documents import ModelDocument
from archgraph.spec.faults import certain, independent
from archgraph.spec.forms import expression_of
from archgraph.spec.models import BlockPortsModel, ModelNodeModel, VariantModel
from archgraph.spec.names import name_fault
from archgraph.spec.parameters import Bound, bind_parameters

# What every model is given.
IMAGE = "image"


@dataclass(frozen=True)
class Read:
    """A pyramid that a node reads: the node that makes it, and the input it is for, if said."""

    source: str
    port: str = ""
    location: Location | None = None


@dataclass(frozen=True)
class ExpandedModelNode:
    """A node of a model that exists; of a `faulty` one it is not known what it reads."""

    name: str
    model: ModelNodeModel
    reads: tuple[Read, ...]
    location: Location | None
    faulty: bool = False


@dataclass(frozen=True)
class ExpandedModel:
    """A model without parameters. `faults` are the mistakes so far."""

    document: ModelDocument
    bound: Bound
    row: VariantModel
    nodes: tuple[ExpandedModelNode, ...]
    outputs: tuple[tuple[str, Location | None], ...]
    faults: tuple[Diagnostic, ...]


def expand_model(
    document: ModelDocument, arguments: Arguments, row: VariantModel | None = None
) -> ExpandedModel:
    """Bind parameters, and look up what every node and output reads.

    Args:
        document: what is expanded.
        arguments: values from outside; they count before those of the variant.
        row: the chosen variant.

    Every mistake in names, parameters and expressions stands in `faults`, placed.
    """
    row = row or VariantModel()
    return _Expansion(document, bind_parameters(document, arguments, row), row).run()


@dataclass
class _Expansion:
    document: ModelDocument
    bound: Bound
    row: VariantModel
    nodes: dict[str, ExpandedModelNode] = field(default_factory=dict)
    # Nodes that a condition leaves out, or whose condition is wrong.
    absent: set[str] = field(default_factory=set)
    faults: list[Diagnostic] = field(default_factory=list)

    def run(self) -> ExpandedModel:
        for model in self.document.nodes:
            self._add(model)
        outputs = tuple(self._outputs())
        found = list(independent(self.faults, self.bound.failed))
        if self.document.doubtful:
            found = certain(found)
        return ExpandedModel(
            self.document,
            self.bound,
            self.row,
            tuple(self.nodes.values()),
            outputs,
            (*self.document.faults, *self.bound.faults, *found),
        )

    def _add(self, model: ModelNodeModel) -> None:
        where = model.at("name")
        try:
            if fault := self._name_fault(model, where):
                raise SpecError(fault)
            if model.when is not None:
                condition = expression_of(model.when, model.at("when"))
                if not condition.evaluate(self.bound.names):
                    self.absent.add(model.name)
                    return
        except SpecError as error:
            self.faults.extend(error.diagnostics)
            self.absent.add(model.name)
            return
        faulty = False
        reads: tuple[Read, ...] = ()
        try:
            reads = tuple(self._reads(model))
        except SpecError as error:
            self.faults.extend(error.diagnostics)
            faulty = True
        self.nodes[model.name] = ExpandedModelNode(model.name, model, reads, where, faulty)

    def _name_fault(self, model: ModelNodeModel, where: Location | None) -> Diagnostic | None:
        if model.name == IMAGE:
            message = f"'{IMAGE}' is what the model is given, so no node can have this name"
            return Diagnostic("E104", message, where, "give the node another name")
        if model.name in self.nodes:
            first = self.nodes[model.name].location
            line = f" on line {first.line}" if first else ""
            return Diagnostic("E104", f"'{model.name}' is already a node{line}", where)
        return name_fault(model.name, where)

    # --- what nodes read -------------------------------------------------------------------

    def _reads(self, model: ModelNodeModel) -> Iterator[Read]:
        form = model.from_
        if form is None:
            yield Read(next(reversed(self.nodes), IMAGE), "", model.at("name"))
            return
        listed: Sequence[tuple[str, str, Location | None]]
        if isinstance(form, BlockPortsModel):
            listed = [(port, text, form.at(port)) for port, text in form.entries.items()]
        elif isinstance(form, list):
            listed = [("", text, model.at("from", i)) for i, text in enumerate(form)]
        else:
            listed = [("", form, model.at("from"))]
        count = 0
        for port, text, where in listed:
            source = self._choose(text, where, f"node '{model.name}' reads")
            if source:
                count += 1
                yield Read(source, port, where)
        if not count:
            message = f"no input of node '{model.name}' exists"
            hint = "give it a 'when', or an entry without 'maybe'"
            raise SpecError(Diagnostic("E118", message, model.key_at("from"), hint))

    def _choose(self, text: str, where: Location | None, reader: str) -> str:
        """The first candidate of an entry that exists; none for an optional one without any."""
        entry = parse_entry(text, where)
        name = ""
        for candidate in entry.candidates:
            name = expand_template(candidate, self.bound.names, where)
            if name == IMAGE or name in self.nodes:
                return name
        if entry.optional:
            return ""
        later = next((n for n in self.document.nodes if n.name == name), None)
        place = later.at("name") if later else None
        message, hint = f"{reader} '{name}', which does not exist", ""
        if name in self.absent:
            hint = f"its 'when' leaves it out here: write '{name} else ...' or 'maybe {name}'"
        elif place:
            message = f"{reader} '{name}', which comes later, on line {place.line}"
            hint = "nodes stand in the order of execution"
        else:
            hint = suggest(name, [IMAGE, *self.nodes], "nodes before it")
        raise SpecError(Diagnostic("E102", message, where.find(name) if where else None, hint))

    def _outputs(self) -> Iterator[tuple[str, Location | None]]:
        form = self.document.outputs
        listed = [form] if isinstance(form, str) else form
        for i, text in enumerate(listed):
            where = self.document.at("outputs", *([] if isinstance(form, str) else [i]))
            try:
                name = self._choose(text, where, "an output is")
                if name in listed[:i]:
                    message = f"'{name}' is an output already"
                    raise SpecError(Diagnostic("E104", message, where))
            except SpecError as error:
                self.faults.extend(error.diagnostics)
            else:
                if name:
                    yield name, where
