"""The operators by subject: windows, pointwise, sizes, combining, positions.

`archgraph.ir.ops` has the table of all of them and is where they are imported from.
"""
