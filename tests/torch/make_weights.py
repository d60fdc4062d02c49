"""Writes the small PyTorch files that the tests of crates/torch_weights read.

    python tests/torch/make_weights.py

needs torch and numpy, and the names that list_names.py wrote; the checked-in files are those of
torch 2.15.0. Every value is a function of the tensor's name and the element's index, `value` below,
which the tests know too. Legacy files differ from run to run in the names of their storages alone,
and repacked ones in their dates.
"""

import io
import json
import os
import pickle
import struct
import tarfile
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy
import torch

OUT = Path(__file__).resolve().parents[2] / "crates" / "torch_weights" / "tests" / "data"


def value(name: str, index: int) -> float:
    """Exact in every floating type, bfloat16 included."""
    return ((7 * index + len(name)) % 23 - 11) / 8


def tensor(name: str, *shape: int, dtype=torch.float32) -> torch.Tensor:
    count = torch.Size(shape).numel()
    # The values repeat after 23.
    period = torch.tensor([value(name, i) for i in range(23)], dtype=torch.float64)
    return period.repeat(count // 23 + 1)[:count].to(dtype, copy=True).reshape(shape)


def plain() -> OrderedDict:
    """As a backbone of torchvision: tensors, a parameter, a count."""
    state = OrderedDict()
    state["conv1.weight"] = torch.nn.Parameter(tensor("conv1.weight", 4, 3, 2, 2))
    state["bn1.running_var"] = tensor("bn1.running_var", 4)
    state["bn1.num_batches_tracked"] = torch.tensor(12345)
    state["fc.bias"] = tensor("fc.bias", 5, dtype=torch.float64)
    state._metadata = OrderedDict([("", {"version": 1})])
    return state


def views() -> dict:
    """Tensors that share one storage, from its middle, transposed and with a step."""
    base = tensor("base", 4, 6)
    return {
        "base": base,
        "row": base[2],
        "transposed": base.t(),
        "every_other": base[1:, ::2],
        "channels_last": tensor("channels_last", 2, 3, 2, 2).to(memory_format=torch.channels_last),
        "empty": torch.zeros(0, 3),
        "scalar": base[3, 5],
    }


def types() -> dict:
    kinds = ["float64", "float32", "float16", "bfloat16"]
    state = {kind: tensor(kind, 3, dtype=getattr(torch, kind)) for kind in kinds}
    for kind in ["int64", "int32", "int16", "int8"]:
        state[kind] = torch.tensor([-3, 0, 100], dtype=getattr(torch, kind))
    for kind in ["uint8", "uint16", "uint32", "uint64"]:
        state[kind] = torch.tensor([3, 0, 200], dtype=getattr(torch, kind))
    state["bool"] = torch.tensor([True, False, True])
    return state


def authors() -> dict:
    """As the authors save: the memory beside the state_dict, and what training needs.

    The shapes are those of a network with all widths divided by 16.
    """
    names = {
        "layer0.0.weight": (4, 3, 7, 7),
        "layer0.1.weight": (4,),
        "layer0.1.running_mean": (4,),
        "final2.0.bias": (19,),
    }
    state = OrderedDict((f"module.{name}", tensor(name, *shape)) for name, shape in names.items())
    state["module.layer0.1.num_batches_tracked"] = torch.tensor(7)
    command = "--arch network.deepv3plus.DeepR50V3PlusD"
    memory = tensor("memory.m_items", 19, 16)
    return {"state_dict": state, **training(), "command": command, "memory": memory}


def training() -> dict:
    """What training needs beside the state_dict, as both programs save it."""
    parameter = torch.nn.Parameter(torch.ones(2))
    optimizer = torch.optim.SGD([parameter], lr=0.01, momentum=0.9)
    parameter.grad = torch.ones(2)
    optimizer.step()
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lr_lambda=lambda step: 0.9**step)
    return {
        "optimizer": optimizer.state_dict(),
        "scheduler": scheduler.state_dict(),
        "epoch": 3,
        # Both take it from an array, so it is a number of NumPy.
        "mean_iu": numpy.float64(0.25),
    }


def narrow(program: str, network: str) -> OrderedDict:
    """All tensors of a network of `list_names.py`, with all widths divided by 16."""
    names = json.loads((OUT / f"names_{program}.json").read_text())[network]
    state = OrderedDict()
    for name, shape in names.items():
        if name.endswith(".num_batches_tracked"):
            state[f"module.{name}"] = torch.tensor(7)
            continue
        # Neither sides of kernels, nor colours, nor classes are multiples of 16.
        sides = [side if side % 16 else side // 16 for side in shape]
        values = tensor(name, *sides)
        # A variance is not negative.
        state[f"module.{name}"] = values.abs() if name.endswith(".running_var") else values
    return state


def robustnet(network: str) -> dict:
    command = "--arch network.deepv3.DeepR50V3PlusD"
    return {"state_dict": narrow("robustnet", network), **training(), "command": command}


def pin_the_memory() -> dict:
    """With a second optimizer and scheduler, as of a run with episodes."""
    rest = training()
    second = {f"{name}_at": rest[name] for name in ["optimizer", "scheduler"]}
    state = narrow("pin_the_memory", "deeplab_v3_plus")
    return {"state_dict": state, **rest, **second, "memory": tensor("memory.m_items", 19, 16)}


def two_memories(inner: torch.Tensor) -> dict:
    state = OrderedDict([("module.final2.0.bias", tensor("final2.0.bias", 19))])
    state["module.memory.m_items"] = inner
    return {"state_dict": state, "memory": tensor("memory.m_items", 19, 16)}


class Malicious:
    def __init__(self, call, argument):
        self.call, self.argument = call, argument

    def __reduce__(self):
        return self.call, (self.argument,)


def early_parameter(data):
    """A parameter as torch before 0.1.10 pickled it: made empty, then given its state."""
    parameter = EarlyParameter()
    parameter.state = (data, None, OrderedDict(), True, False)
    return parameter


class EarlyParameter:
    def __reduce_ex__(self, protocol):
        import copyreg

        return copyreg.__newobj__, (EarlyParameter,), self.state


EarlyParameter.__module__, EarlyParameter.__qualname__ = "torch.nn.parameter", "Parameter"


class EarlyPickler(pickle._Pickler):
    """Names tensors by key, and classes without looking them up."""

    def __init__(self, file, keys):
        super().__init__(file, protocol=2)
        self.keys = keys

    def persistent_id(self, thing):
        return self.keys.get(id(thing))

    def save_global(self, thing, name=None):
        if thing is EarlyParameter:
            name = name or thing.__qualname__
            self.write(f"c{thing.__module__}\n{name}\n".encode())
            self.memoize(thing)
        else:
            super().save_global(thing, name)

    dispatch = dict(pickle._Pickler.dispatch)
    dispatch[type] = lambda self, thing: self.save_global(thing)
    dispatch[type(early_parameter)] = save_global


def early(path: Path):
    """A tar archive, as torch before 0.1.10 wrote: storages, tensors, and a pickle of names."""
    shared = tensor("shared", 12)
    weight = tensor("weight", 2, 3)
    # Key, storage and its element type; the second is a view of the first, from element 4 on.
    storages = [(1001, weight, "FloatStorage"), (1002, shared, "FloatStorage")]
    tensors = [
        (2001, 1001, (2, 3), (3, 1), 0),
        (2002, 1002, (3, 2), (1, 3), 6),
        (2003, 1003, (4,), (2,), 0),
    ]
    things = {key: object() for key, *_ in tensors}
    state = OrderedDict()
    state["weight"] = early_parameter(things[2001])
    state["transposed"] = things[2002]
    state["of_a_view"] = things[2003]

    def dumped(*values):
        return b"".join(pickle.dumps(one, protocol=2) for one in values)

    system = {"protocol_version": 1000, "little_endian": True, "type_sizes": {"int": 4}}
    data = io.BytesIO()
    data.write(dumped(len(storages)))
    for key, storage, kind in storages:
        # A tuple (key, "cpu", class), whose class is written by name.
        data.write(b"\x80\x02" + b"J" + struct.pack("<i", key))
        data.write(b"X\x03\0\0\0cpuctorch\n" + kind.encode() + b"\n\x87.")
        data.write(struct.pack("<q", storage.numel()))
        data.write(storage.numpy().tobytes())
    data.write(dumped([(1003, 1002, 4, 8)]))
    table = io.BytesIO()
    table.write(dumped(len(tensors)))
    for key, storage, shape, strides, offset in tensors:
        table.write(b"\x80\x02J" + struct.pack("<i", key) + b"J" + struct.pack("<i", storage))
        table.write(b"ctorch\nFloatTensor\n\x87.")
        table.write(struct.pack("<ii", len(shape), 0))
        table.write(struct.pack(f"<{2 * len(shape)}q", *shape, *strides))
        table.write(struct.pack("<q", offset))
    saved = io.BytesIO()
    EarlyPickler(saved, {id(thing): str(key) for key, thing in things.items()}).dump(state)
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in [
            ("sys_info", dumped(system)),
            ("pickle", saved.getvalue()),
            ("tensors", table.getvalue()),
            ("storages", data.getvalue()),
        ]:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))


def repacked(source: Path, path: Path, compression=zipfile.ZIP_STORED, **contents: bytes):
    """A copy of a zip archive, packed otherwise or with other contents of some entries."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(path, "w", compression) as new:
        for entry in old.infolist():
            name = entry.filename
            new.writestr(name, contents.get(name.rsplit("/", 1)[-1], old.read(name)))


def main():
    OUT.mkdir(exist_ok=True)

    def save(name, thing, **options):
        torch.save(thing, OUT / name, **options)

    save("plain.pth", plain())
    save("plain_legacy.pth", plain(), _use_new_zipfile_serialization=False)
    save("plain_protocol_4.pth", plain(), pickle_protocol=4)
    save("views.pth", views())
    save("views_legacy.pth", views(), _use_new_zipfile_serialization=False)
    save("types.pth", types())
    save("authors.pth", authors())
    save("authors_legacy.pth", authors(), _use_new_zipfile_serialization=False)
    # Released before 1.6, and after.
    for network in ["ibn", "isw"]:
        name = f"robustnet_{network}_legacy.pth"
        save(name, robustnet(network), _use_new_zipfile_serialization=False)
    save("pin_the_memory.pth", pin_the_memory())
    memory = tensor("memory.m_items", 19, 16)
    save("two_equal_memories.pth", two_memories(memory))
    save("two_memories.pth", two_memories(memory + 1))
    save("bare_tensor.pth", torch.zeros(2, 3))
    save("no_tensors.pth", {f"key{i}": i for i in range(20)})
    save("model.pth", {"epoch": 1, "model": {"a": tensor("a", 2)}})
    # 50 tensors that together are larger than the file.
    shared = torch.zeros(1000, dtype=torch.uint8)
    save("shared.pth", {str(i): shared[i:] for i in range(50)})
    repacked(OUT / "model.pth", OUT / "compressed.pth", zipfile.ZIP_DEFLATED)
    repacked(OUT / "model.pth", OUT / "big_endian.pth", byteorder=b"big")
    # It would leave a file behind if it were obeyed.
    harm = Malicious(os.system, "touch torch_weights_ran_a_command")
    save("malicious.pth", {"state_dict": plain(), "epoch": harm})
    save("malicious_legacy.pth", harm, _use_new_zipfile_serialization=False)
    early(OUT / "early.pth")
    # What PyTorch itself reads out of the hand-made archive.
    loaded = torch.load(OUT / "early.pth", weights_only=False)
    assert loaded["weight"].tolist() == tensor("weight", 2, 3).tolist()
    shared = tensor("shared", 12)
    assert loaded["transposed"].tolist() == shared[6:].reshape(2, 3).t().tolist()
    assert loaded["of_a_view"].tolist() == shared[4::2].tolist()
    for path in sorted(OUT.glob("*.pth")):
        print(path.name, path.stat().st_size)


if __name__ == "__main__":
    main()
