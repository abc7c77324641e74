"""Passes at stage PYRAMID: they change what is fused with what. None imports torch."""
