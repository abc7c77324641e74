"""Names that nodes may have: they become attributes of modules and keys of state dicts."""

from __future__ import annotations

import keyword
import re
from collections.abc import Container

from archgraph.errors import Diagnostic, Location
from archgraph.expressions.grammar import CONSTANTS

NODE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*\Z")
MAX_LENGTH = 100
DOCUMENT_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*\Z")
# Public attributes of torch.nn.Module (a test compares): a node of this name would hide one.
MODULE_ATTRIBUTES = frozenset(
    """T_destination add_module apply bfloat16 buffers call_super_init children compile cpu cuda
    double dump_patches eval extra_repr float forward get_buffer get_extra_state get_parameter
    get_submodule half ipu load_state_dict modules mtia named_buffers named_children
    named_modules named_parameters parameters register_backward_hook register_buffer
    register_forward_hook register_forward_pre_hook register_full_backward_hook
    register_full_backward_pre_hook register_load_state_dict_post_hook
    register_load_state_dict_pre_hook register_module register_parameter
    register_state_dict_post_hook register_state_dict_pre_hook requires_grad_ set_extra_state
    set_submodule share_memory state_dict to to_empty train training type xpu zero_grad""".split()
)
# What generated modules use themselves.
OWN_NAMES = frozenset(
    """self features x torch nn F Tensor cells super levels in_levels channels in_channels
    size_multiple spec_hash clear pop keys items values update adaptive_max_pool attend_positions
    avg_pool_same check_size glorot_uniform grouped_softmax halved_size he_normal lecun_normal
    max_pool_same pad_same reassemble_windows sine_positions""".split()
)
RESERVED = MODULE_ATTRIBUTES | OWN_NAMES


# What `share` names.
SHARED = "a set of weights"


def is_word(name: str) -> bool:
    """Whether expressions can read a value of this name."""
    return bool(NODE_NAME.match(name)) and not (
        keyword.iskeyword(name) or name in CONSTANTS or name == "settings"
    )


def parameter_fault(name: str, where: Location | None, taken: Container[str]) -> Diagnostic | None:
    """Why `name` may not name a parameter, or None if it may; `taken` names are known already."""
    if name in taken:
        message = f"a parameter cannot be called '{name}', which means something here already"
        return Diagnostic("E104", message, where, "give it another name")
    if len(name) > MAX_LENGTH or not is_word(name):
        hint = "names are letters, digits and '_', start with a letter, and are no word of Python"
        return Diagnostic("E105", f"'{name}' cannot name a parameter", where, hint)
    return None


def name_fault(name: str, where: Location | None, what: str = "a node") -> Diagnostic | None:
    """Why `name` may not name a node or an input, or None if it may."""
    if len(name) > MAX_LENGTH:
        message = f"a name of {len(name):,} characters cannot name {what}"
        return Diagnostic("E105", message, where, f"names have at most {MAX_LENGTH}")
    if not NODE_NAME.match(name):
        hint = "names are letters, digits and '_', and start with a letter"
        return Diagnostic("E105", f"'{name}' cannot name {what}", where, hint)
    if keyword.iskeyword(name) or keyword.issoftkeyword(name):
        return Diagnostic("E105", f"'{name}' is a word of Python", where, "choose another name")
    if name in RESERVED and not (what == "an edge" and name == "x"):  # an input of most blocks
        hint = "every torch module has something of this name; choose another"
        if name in OWN_NAMES:
            hint = "generated modules use this name themselves; choose another"
        return Diagnostic("E105", f"'{name}' is reserved", where, hint)
    return None
