"""Google's analyzer and reference evaluator as the WebAssembly module of the package `zetasql`, compiled once.

The package compiles the module for about 25 seconds at every start. Here the compiled code is kept in a file beside
the module, so that all later starts take a tenth of a second. Runs in the emulators' environment.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import wasmtime
from zetasql.core.wasm_client import WasmClient, get_tzinfo_dir
from zetasql.wasi import get_wasm_path


class Module(WasmClient):
    """The module instantiated from the kept code, with memory read and written in blocks."""

    def __init__(self) -> None:
        wasi = wasmtime.WasiConfig()
        wasi.inherit_stderr()
        wasi.preopen_dir(get_tzinfo_dir(), "/usr/share/zoneinfo")
        engine = wasmtime.Engine(_config())
        self.store = wasmtime.Store(engine)
        self.store.set_wasi(wasi)
        self.module = wasmtime.Module.deserialize_file(engine, str(_compiled()))
        linker = wasmtime.Linker(engine)
        linker.define_wasi()
        self.instance = linker.instantiate(self.store, self.module)
        self.exports = self.instance.exports(self.store)
        self.exports["_initialize"](self.store)
        self.memory = self.exports["memory"]

    def call(self, method: str, request: Any, response: Any) -> Any:
        """Call one method of the module's local service; a statement it refuses raises `ServerError`."""
        return self.call_grpc_func(f"ZetaSqlLocalService_{method}", request, response)

    def write_bytes(self, ptr: int, data: bytes) -> None:
        ctypes.memmove(self._address(ptr), data, len(data))

    def read_bytes(self, ptr: int, size: int) -> bytes:
        return ctypes.string_at(self._address(ptr), size)

    def _address(self, ptr: int) -> int:
        return ctypes.addressof(self.memory.data_ptr().contents) + (ptr & 0xFFFFFFFF)


def _config() -> wasmtime.Config:
    config = wasmtime.Config()
    config.shared_memory = True
    return config


def _compiled() -> Path:
    """The file of compiled code, made when it is missing; its name says which module, wasmtime and machine it is of."""
    source = Path(get_wasm_path())
    made_of = f"{version('wasmtime')} {platform.machine()} {_processor()} {source.stat().st_size}"
    kept = source.with_name(f"{source.stem}-{hashlib.sha256(made_of.encode()).hexdigest()[:16]}.cwasm")
    if not kept.exists():
        code = wasmtime.Module.from_file(wasmtime.Engine(_config()), str(source)).serialize()
        fresh = kept.with_suffix(f".{os.getpid()}")
        fresh.write_bytes(code)
        fresh.replace(kept)
    return kept


def _processor() -> str:
    """What the processor can do; code compiled for one that can do more does not run."""
    return "".join(line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("flags"))
