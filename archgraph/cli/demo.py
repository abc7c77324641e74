"""`archgraph demo`: the whole of archgraph on one example, from YAML to a detector that finds."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace
from itertools import chain
from itertools import count as count_up
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Annotated

import typer

from archgraph.cli.cost import COUNTING, By, cost_table
from archgraph.cli.highlight import bold, colour_graph, colour_yaml, dim
from archgraph.cli.options import parse_settings, size_for
from archgraph.cli.output import note, print_table, progress, write, write_file
from archgraph.cli.passes import passes_table, print_log
from archgraph.cli.summary import summary_table
from archgraph.cli.training_bar import watching
from archgraph.errors import Diagnostic, InputOutputError, SpecError

if TYPE_CHECKING:
    from archgraph.codegen import GeneratedSource
    from archgraph.compiler import Compilation
    from archgraph.spec import Arguments, Library

EXAMPLES = """
[bold]Examples[/]
  archgraph demo
  archgraph demo --minutes 2
  archgraph demo --keep figures/demo --minutes 0
"""
SPEC = "bifpn"
SETTINGS = ("channels=64", "cells=3", "levels=3..7")
OPTIONS = " ".join(f"--set {setting}" for setting in SETTINGS)
STEPS = 9
# A whole detector, of which BiFPN is the neck, and a small one, which learns in minutes.
DETECTOR, VARIANT, SMALL = "efficientdet", "d0", "nano"
DATA, RECIPE, MOST_EPOCHS, EVAL_EVERY = "shapes:128", "small", 1000.0, 5.0
IMAGE_SIZE = (512, 512)

# What runs the emitted module: a file that a person could have written, without archgraph.
RUNNER = Template('''\
"""Run ${file} forward and backward. Needs torch and nothing of archgraph."""

import time

import torch

from ${module} import ${class_name}

LEVELS = range(${first}, ${last} + 1)
HEIGHT, WIDTH = ${height}, ${width}

torch.manual_seed(0)
network = ${class_name}()
features = [torch.randn(1, ${channels}, HEIGHT // 2**level, WIDTH // 2**level) for level in LEVELS]

for _ in range(2):  # the first round warms up
    network.zero_grad()
    start = time.perf_counter()
    outputs = network(features)
    middle = time.perf_counter()
    sum((output * torch.randn_like(output)).sum() for output in outputs).backward()
    end = time.perf_counter()

for level, output in zip(LEVELS, outputs, strict=True):
    print(f"P{level}: {tuple(output.shape)}")
gradients = {name: weight.grad for name, weight in network.named_parameters()}
untouched = [name for name, grad in gradients.items() if grad is None or not grad.any()]
print(f"{sum(weight.numel() for weight in network.parameters()):,} parameters")
print(f"{len(gradients) - len(untouched)} of {len(gradients)} weights got a gradient")
print(f"forward {1000 * (middle - start):.0f} ms, backward {1000 * (end - middle):.0f} ms")
if untouched:
    raise SystemExit(f"no gradient: {', '.join(untouched)}")
''')


def demo(
    folder: Annotated[
        Path,
        typer.Option("--keep", metavar="DIR", help="Where the files go; made if it is not there."),
    ] = Path("archgraph-demo"),
    minutes: Annotated[
        float,
        typer.Option("--minutes", min=0, help="How long the detector is trained; 0 for not."),
    ] = 8.0,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the training.")] = 0,
) -> None:
    """Derive BiFPN from PANet, draw, emit and run it; then train a small EfficientDet around it.

    Every step names the command that does the same. Nothing is downloaded: the images are scenes
    of shapes that are made as they are needed.
    """
    from archgraph.compiler import compile_spec
    from archgraph.spec import Library

    start = time.perf_counter()
    names = (f"{SPEC}.svg", f"{SPEC}.py", "run.py", f"{DETECTOR}.svg")
    figure, module, runner, detector = (folder / name for name in names)
    _make_folder(folder)
    library, arguments = Library(), parse_settings(SETTINGS)
    _check(arguments, library)
    compilation = compile_spec(SPEC, arguments, library)
    _show(compilation)
    _explain(compilation)
    _count(compilation)
    _draw(compilation, figure)
    source = _emit(arguments, library, module)
    _run(compilation, source, module, runner)
    _detect(library, detector)
    files = [figure, module, runner, detector]
    if minutes:
        files += _train(folder, minutes, seed)
    write(f"\ndone in {time.perf_counter() - start:.1f} s; the files are\n", bold)
    write("".join(f"  {path}\n" for path in files))


COMMAND = demo


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"cannot make the folder '{folder}': {error.strerror or error}"
        raise InputOutputError(Diagnostic("E020", message)) from None


def _heading(step: int, title: str, command: str) -> None:
    write(f"\n{step}/{STEPS}  {title}\n", bold)
    write(f"     $ {command}\n\n", dim)


def _check(arguments: Arguments, library: Library) -> None:
    from archgraph.compiler import check_spec

    _heading(1, "the spec: PANet, and BiFPN as three passes over it", f"archgraph check {SPEC}")
    for name in ("panet", SPEC):
        write(_indented(library.open(name)[0].path.read_text("utf-8")), colour_yaml)
        write("\n")
    found = check_spec(SPEC, arguments, library)
    if found:
        raise SpecError(found)
    write("     checked down to its operators: no mistakes\n")


def _show(compilation: Compilation) -> None:
    from archgraph.ir import print_graph

    _heading(2, "the graph after its passes", f"archgraph show {SPEC} {OPTIONS}")
    lines = [
        line.partition(" {level")[0] for line in print_graph(compilation.pyramid.graph).splitlines()
    ]
    nodes = [line for line in lines if " = fuse(" in line]
    first = [line for line in nodes if line.startswith("  cells.0.")]
    write("".join(f"   {line}\n" for line in first), colour_graph)
    write(f"     and {len(nodes) - len(first)} more, in the cells after it\n", dim)


def _explain(compilation: Compilation) -> None:
    _heading(3, "what each pass did", f"archgraph passes {SPEC} {OPTIONS} --explain")
    print_table(passes_table(compilation.results))
    for result in compilation.results[:-2]:
        write("\n")
        print_log(result)


def _count(compilation: Compilation) -> None:
    from archgraph.analysis import cost

    height, width = IMAGE_SIZE
    title = f"what it costs for an image of {height} x {width} pixels"
    _heading(4, title, f"archgraph cost {SPEC} {OPTIONS} --image-size {height}x{width}")
    print_table(cost_table(cost(compilation.operators.graph, IMAGE_SIZE), By.LEVEL))
    write("\n" + "".join(f"{line}\n" for line in COUNTING), dim)


def _draw(compilation: Compilation, file: Path) -> None:
    from archgraph.render import draw_svg

    _heading(5, "the figure", f"archgraph draw {SPEC} {OPTIONS} -o {file}")
    write_file(file, draw_svg(compilation.pyramid.graph, title=compilation.name))
    write(f"     {file}: rows are levels, columns are steps\n")


def _emit(arguments: Arguments, library: Library, file: Path) -> GeneratedSource:
    from archgraph.compiler import emit_source

    _heading(6, "the PyTorch module", f"archgraph emit {SPEC} {OPTIONS} -o {file}")
    source = emit_source(SPEC, arguments, library)
    write_file(file, source.text)
    lines, classes = source.text.count("\n"), source.text.count("\nclass ")
    write(f"     {file}: {lines} lines, {classes} classes, imports torch only\n")
    return source


def _run(compilation: Compilation, source: GeneratedSource, module: Path, file: Path) -> None:
    features = [node.op.infer(()) for node in compilation.operators.graph.graph_inputs]
    _heading(7, "a step of training, in a process of its own", f"python {file}")
    text = RUNNER.substitute(
        file=module.name,
        module=module.stem,
        class_name=source.class_name,
        height=IMAGE_SIZE[0],
        width=IMAGE_SIZE[1],
        channels=features[0].channels,
        first=features[0].level,
        last=features[-1].level,
    )
    write_file(file, text)
    with progress("importing torch, running forward and backward ..."):
        done = subprocess.run(
            [sys.executable, "-B", str(file.resolve())], capture_output=True, text=True, check=False
        )
    write(_indented(done.stdout))
    if done.returncode:
        write(done.stderr, stderr=True)
        raise typer.Exit(1)


def _detect(library: Library, file: Path) -> None:
    from archgraph.analysis import cost, sections
    from archgraph.compiler import compile_spec
    from archgraph.render import draw_svg

    command = f"archgraph show {DETECTOR} --variant {VARIANT} --summary"
    _heading(8, "BiFPN in a whole detector, from the same language", command)
    compilation = compile_spec(DETECTOR, {}, library, VARIANT)
    graph = compilation.operators.graph
    found = cost(graph, size_for(graph, None))
    print_table(summary_table(sections(graph, found), found))
    title = f"{DETECTOR} {VARIANT}"
    write_file(file, draw_svg(compilation.pyramid.graph, title=title))
    write(f"\n     {file}: backbone, more levels, neck and heads\n")


def _train(folder: Path, minutes: float, seed: int) -> list[Path]:
    """Train the small detector, as far as it gets in its time; the files to look at."""
    run = _free_folder(folder)
    command = f"archgraph train {DETECTOR} --variant {SMALL} --data {DATA} --recipe {RECIPE}"
    command += f" --epochs {MOST_EPOCHS:g} --minutes {minutes:g} --with eval_every={EVAL_EVERY:g}"
    command += f" --workers 0 --seed {seed} -o {run}"
    _heading(
        9, "a small one learns to find shapes, and is tried on scenes it has not seen", command
    )
    with progress("importing torch ..."):
        from archgraph.train.fit import Job, recipe
        from archgraph.train.fit import train as fit
        from archgraph.train.fit.folder import REPORT, SAMPLES
        from archgraph.train.fit.pictures import FOUND
    settings = replace(
        recipe(RECIPE),
        time_limit=minutes,
        seed=seed,
        epochs=MOST_EPOCHS,
        eval_every=EVAL_EVERY,
        workers=0,
    )
    with watching(run) as watchers:
        outcome = fit(Job(DETECTOR, DATA, variant=SMALL), settings, run, watchers=watchers)
    if outcome.interrupted:
        note(f"interrupted; go on with: archgraph train --resume {run}")
        raise typer.Exit(130)
    assert outcome.last is not None
    numbers = outcome.last.numbers
    write(f"     {outcome.steps:,} steps in {outcome.seconds / 60:.1f} minutes\n")
    write(f"     AP50 {max(0.0, numbers.ap50):.3f}, AP {max(0.0, numbers.ap):.3f} ", bold)
    write(f"on {len(outcome.last.images)} scenes that it was not trained on\n")
    return [run / REPORT, run / SAMPLES / FOUND]


def _free_folder(folder: Path) -> Path:
    """A folder for a run; those of earlier demos stay."""
    names = chain(["run"], (f"run-{number}" for number in count_up(2)))
    return next(folder / name for name in names if not (folder / name).exists())


def _indented(text: str) -> str:
    return "".join(f"     {line}\n" if line else "\n" for line in text.splitlines())
