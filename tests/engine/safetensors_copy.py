"""Reads a safetensors file with the safetensors package and writes it anew with it: safetensors_copy.py FROM TO."""

import sys

from safetensors import safe_open
from safetensors.numpy import save_file

with safe_open(sys.argv[1], framework="np") as file:
    save_file({name: file.get_tensor(name) for name in file.keys()}, sys.argv[2], file.metadata())
