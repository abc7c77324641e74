"""Random graphs for hypothesis: every field of every node at both stages."""

from __future__ import annotations

from hypothesis import strategies as st

from archgraph.errors import Location
from archgraph.expressions import Argument, Step, parse_expression
from archgraph.ir import (
    INITS,
    PADDINGS,
    Edge,
    EdgeSteps,
    FeatureType,
    Graph,
    Node,
    Scope,
    Settings,
    Stage,
)
from archgraph.ir.op import Op
from archgraph.ir.ops import Activation, Add, Affine, BatchNorm, Conv, MaxPool, Resize, WeightedSum
from archgraph.ir.pyramid import Fuse, Input, Use

# Not here: the words of the text form itself; test_text.py has tests of its own for them.
names = st.sampled_from(
    "a b1 c_2 td3 out4 in5 X x9_y as_ via graph input fuse P3 E e1 Long_Name".split()
)
paths = st.lists(names | st.integers(0, 12).map(str), max_size=2).flatmap(
    lambda parts: st.tuples(names, names).map(lambda ends: ".".join([ends[0], *parts, ends[1]]))
)
kebab = st.sampled_from("sum a conv-norm act-separable-conv-norm b-2 nullify trueish e1-x".split())
words = st.text(
    st.characters(min_codepoint=33, max_codepoint=0x2FFF, exclude_categories=["Z", "C"]),
    min_size=1,
    max_size=6,
).filter(lambda text: len(text.split()) == 1)
files = st.sampled_from(
    ["specs/topologies/panet.yaml", "a b#c.yaml", "x:3:4/y.yaml", "# .yaml", "é/{}.yaml", "<text>"]
)
locations = st.none() | st.builds(Location, files, st.integers(1, 9999), st.integers(1, 120))
# Values of arguments that stay open until types are known; the last can hold blanks.
OPEN = ["x.channels*2", "nearest", "-1", "1e-05", "8 if x.level > 3 and not b else 64"]
conditions = st.none() | st.sampled_from(
    ["true", "x.channels != channels", "x.level > 3 and not level == 4", "2 ** -distance < 0.5"]
).map(parse_expression)
arguments = st.lists(
    st.builds(Argument, names, words | st.sampled_from(OPEN)),
    max_size=3,
    unique_by=lambda argument: argument.key,
).map(tuple)
steps = st.builds(Step, kebab, arguments)
conditional_steps = st.builds(Step, kebab, arguments, conditions)
chains = st.lists(conditional_steps, max_size=3).map(tuple)
settings = st.builds(
    Settings,
    st.none() | steps,
    st.none() | steps,
    st.none() | st.sampled_from(PADDINGS),
    st.none() | st.booleans(),
    st.none() | st.sampled_from(INITS),
)
optional_chains = st.none() | chains
edge_steps = st.builds(EdgeSteps, optional_chains, optional_chains, optional_chains, st.booleans())
levels, widths = st.integers(0, 12), st.integers(1, 4096)
inputs = st.builds(Input, levels, widths)
fusions = st.builds(Fuse, levels, widths, conditional_steps, chains, settings, st.booleans())
uses = st.builds(Use, levels, chains, chains, settings)
finite = st.floats(allow_nan=False, allow_infinity=False)
shown = st.dictionaries(names, finite | st.integers() | st.booleans() | st.text(max_size=8)).map(
    lambda found: tuple(found.items())
)


@st.composite
def scopes(draw: st.DrawFn) -> dict[str, Scope]:
    several = st.lists(names, max_size=3).map(tuple)
    found = {}
    for path in ["", *draw(st.lists(paths, max_size=3, unique=True))]:
        block = draw(kebab)
        given = draw(shown), draw(several), draw(several), draw(locations)
        module, key = draw(st.just(path) | paths), draw(st.just("") | names)
        found[path] = Scope(path, block, *given, module=module if path else "", key=key)
    return found


@st.composite
def pyramids(draw: st.DrawFn) -> Graph:
    """A graph at PYRAMID that keeps the rules of the text form, not those of `verify`."""
    graph = Graph(draw(kebab), Stage.PYRAMID, draw(settings), draw(st.none() | edge_steps))
    graph.scopes.update(draw(scopes()))
    for name in draw(st.lists(paths, min_size=1, max_size=8, unique=True)):
        known = [node.name for node in graph]
        edges: list[Edge] = []
        if draw(st.booleans()) and known:
            sources: list[str] = draw(st.lists(st.sampled_from(known), min_size=1, max_size=4))
            for source in sources:
                given = draw(st.none() | names)
                steps = draw(st.one_of(st.just(EdgeSteps()), edge_steps))
                edges.append(Edge(source, given or source.rpartition(".")[2], steps))
        op: Op = draw(fusions | uses) if edges else draw(inputs)
        scope = draw(st.sampled_from(list(graph.scopes)))
        graph.add(Node(name, op, scope, draw(st.just(name) | paths), draw(locations)), edges)
    graph.set_outputs(_outputs(draw, graph))
    return graph


@st.composite
def operators(draw: st.DrawFn) -> Graph:
    """A graph at OPERATORS whose types fit."""
    graph = Graph(draw(kebab), Stage.OPERATORS)
    graph.scopes.update(draw(scopes()))
    types: dict[str, FeatureType] = {}
    for name in draw(st.lists(paths, min_size=1, max_size=10, unique=True)):
        op, sources = draw(_operator(types))
        types[name] = op.infer([types[source] for source in sources])
        edges = [
            Edge(source, draw(st.none() | names) or source.rpartition(".")[2]) for source in sources
        ]
        scope = draw(st.sampled_from(list(graph.scopes)))
        graph.add(Node(name, op, scope, draw(st.just(name) | paths), draw(locations)), edges)
    graph.set_outputs(_outputs(draw, graph))
    return graph


@st.composite
def _operator(draw: st.DrawFn, types: dict[str, FeatureType]) -> tuple[Op, list[str]]:
    if not types or draw(st.integers(0, 5)) == 0:
        return draw(inputs), []
    source = draw(st.sampled_from(list(types)))
    x = types[source]
    alike = st.sampled_from([name for name, each in types.items() if each == x])
    several = [source, *draw(st.lists(alike, max_size=3))]
    odd, stride = st.sampled_from([1, 3, 5, 7]), st.sampled_from([1, 2])
    choices: list[st.SearchStrategy[tuple[Op, list[str]]]] = [
        st.tuples(
            st.builds(
                Conv,
                widths.map(lambda width: width * x.channels),
                odd,
                stride,
                st.just(1),
                st.sampled_from([1, x.channels]),
                st.booleans(),
                st.sampled_from(["symmetric", "same"]),
                st.sampled_from(["torch", "lecun-normal"]),
                finite,
            ),
            st.just([source]),
        ),
        st.tuples(st.builds(BatchNorm, st.floats(1e-9, 1), st.floats(0, 1)), st.just([source])),
        st.tuples(
            st.builds(Activation, st.sampled_from(["relu", "hard-swish", "gelu"])),
            st.just([source]),
        ),
        st.tuples(st.builds(MaxPool, odd, stride), st.just([source])),
        st.tuples(st.builds(MaxPool, widths, stride, st.just("same")), st.just([source])),
        st.tuples(
            st.builds(Resize, st.sampled_from(["nearest", "bilinear"])),
            st.sampled_from(list(types)).map(lambda like: [source, like]),
        ),
        st.tuples(st.builds(Affine, finite, finite), st.just([source])),
        st.tuples(st.just(Add()), st.just(several)),
        st.tuples(
            st.builds(
                WeightedSum, st.sampled_from(["none", "fast", "softmax"]), st.floats(1e-9, 1)
            ),
            st.just(several),
        ),
    ]
    return draw(st.one_of(choices))


def _outputs(draw: st.DrawFn, graph: Graph) -> dict[str, str]:
    nodes = st.sampled_from([node.name for node in graph])
    return draw(st.dictionaries(names, nodes, max_size=3))
