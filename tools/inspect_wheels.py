"""Whether wheels are as they should be: small, self-contained, stripped, with licence and types inside."""

import io
import sys
import zipfile
from pathlib import Path

from elftools.elf.elffile import ELFFile

MOST_BYTES = 400_000
LIBRARIES = ("libc.so", "libm.so", "ld-linux", "libc.musl")
WANTED = ("/licenses/LICENSE", "pyminpack/py.typed", "pyminpack/_minpack.pyi", "pyminpack/_build_facts.pyi")


def faults_of_module(binary: bytes) -> list[str]:
    """What is wrong with the extension module."""
    elf = ELFFile(io.BytesIO(binary))
    needed = [tag.needed for tag in elf.get_section_by_name(".dynamic").iter_tags("DT_NEEDED")]
    exported = [
        symbol.name
        for symbol in elf.get_section_by_name(".dynsym").iter_symbols()
        if symbol["st_shndx"] != "SHN_UNDEF" and symbol["st_info"]["bind"] in ("STB_GLOBAL", "STB_WEAK")
    ]
    stacks = [segment for segment in elf.iter_segments("PT_GNU_STACK") if segment["p_flags"] & 1]
    faults = [f"needs {name}" for name in needed if not name.startswith(LIBRARIES)]
    faults += [f"exports {', '.join(exported)}"] if exported != ["PyInit__minpack"] else []
    faults += ["wants an executable stack"] if stacks else []
    faults += ["is not stripped"] if elf.get_section_by_name(".symtab") else []
    return faults


def faults_of_wheel(path: Path) -> list[str]:
    """What is wrong with a wheel."""
    with zipfile.ZipFile(path) as wheel:
        names = wheel.namelist()
        modules = [name for name in names if name.endswith(".so")]
        faults = [f"lacks {wanted}" for wanted in WANTED if not any(name.endswith(wanted) for name in names)]
        faults += [f"has {len(modules)} extension modules"] if len(modules) != 1 else []
        for name in modules:
            faults += [f"{name} {fault}" for fault in faults_of_module(wheel.read(name))]
    size = path.stat().st_size
    return faults + ([f"has {size} bytes, more than {MOST_BYTES}"] if size > MOST_BYTES else [])


def main() -> None:
    """Tell each wheel's size and faults; the exit status is 1 where there are any."""
    found = {path: faults_of_wheel(path) for path in map(Path, sys.argv[1:])}
    for path, faults in found.items():
        print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB, {'; '.join(faults) or 'as it should be'}")
    sys.exit(not found or any(found.values()))


if __name__ == "__main__":
    main()
