"""The command line: one file per command, and what they share.

Comes in: arguments of a process. Goes out: text, files and an exit code. May import every
other room, inside the commands only, so that `archgraph --help` stays fast; only `emit` and
`demo` reach rooms that need torch. Start at `main.py`, then `check.py`.

    options.py       the arguments that commands have in common
    output.py        streams, colour, tables, writing files
    highlight.py     what is coloured, and how
    vocabulary.py    the names that a spec may use
    explanations.py  what the codes mean: the rows of errors.yaml
    watch.py         waiting for changes of files
"""
