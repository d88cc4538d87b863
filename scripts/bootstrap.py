"""Create ``.venv`` and install atlash into it: ``python3 scripts/bootstrap.py EXTRA``.

The Makefile calls this before every target. It needs Python and its standard library, does
nothing when the environment is up to date, and keeps CUDA off machines without an NVIDIA GPU.
It must still parse on an old ``python3``, so that it can say what is missing or hand over to a
newer one.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
OLDEST = (3, 11)
NEWER_PYTHONS = ("python3.13", "python3.12", "python3.11")
ALLOW_CUDA = "ATLASH_ALLOW_CUDA"

TORCH = "torch==2.13.0"
"""The tested version; being exact, it also lets a CPU wheel in a local folder win."""

START = time.monotonic()


def say(message: str) -> None:
    """Print one line of progress with the seconds since the start."""
    print(f"[setup {time.monotonic() - START:4.0f} s] {message}", flush=True)


def stop(message: str) -> NoReturn:
    """End with a message and exit status 1."""
    sys.exit(f"[setup] {message}")


def run(*command: str | Path, show: bool = True) -> bool:
    """Run a command and tell whether it succeeded; its errors are shown unless ``show`` is off."""
    errors = None if show else subprocess.DEVNULL
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors, check=False
    )
    return done.returncode == 0


def pip(*arguments: str) -> str:
    """Run the environment's pip and return what it prints; stop when it fails."""
    command = [str(PYTHON), "-m", "pip", *arguments, "--quiet", "--quiet", "--no-input"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        stop(f"`pip {' '.join(arguments)}` failed; its message is above. Mend it and repeat.")
    return done.stdout


def require_python() -> None:
    """Go on under a newer Python when this one is too old; stop when there is none."""
    if sys.version_info >= OLDEST:
        return
    for name in NEWER_PYTHONS:
        found = shutil.which(name)
        if found:
            os.execv(found, [found, *sys.argv])
    stop(
        f"`python3` is Python {sys.version.split()[0]}; atlash needs 3.11 or newer, for example "
        f"`{NEWER_PYTHONS[-1]}`, and none is on the PATH. Install one and repeat."
    )


def environment_command() -> list[str]:
    """Return the command, short of the folder, that creates an environment with pip.

    Debian keeps ``ensurepip``, which ``venv`` needs, in a package of its own.
    """
    venv = [sys.executable, "-m", "venv"]
    if importlib.util.find_spec("ensurepip"):
        return venv
    if shutil.which("uv"):
        return ["uv", "venv", "--quiet", "--seed", "--python", sys.executable]
    if shutil.which("virtualenv"):
        return ["virtualenv", "--quiet", "--python", sys.executable]
    package = "python{}.{}-venv".format(*sys.version_info[:2])
    if shutil.which("apt-get") and os.geteuid() == 0:
        say(f"This Python cannot create environments; installing {package} with apt-get")
        os.environ["DEBIAN_FRONTEND"] = "noninteractive"
        install = ("apt-get", "install", "--yes", "--no-install-recommends", package)
        if run("apt-get", "update") and run(*install):
            return venv
    stop(f"This Python cannot create environments. `sudo apt install {package}`, then repeat.")


def create_environment() -> None:
    """Create ``.venv`` with a recent pip, unless a working one is there."""
    if PYTHON.exists() and run(PYTHON, "-m", "pip", "--version", show=False):
        return
    command = environment_command()
    say(f"Creating .venv with Python {sys.version.split()[0]}")
    # What a failed attempt has left would be taken for an environment.
    shutil.rmtree(VENV, ignore_errors=True)
    if not run(*command, VENV):
        stop(f"`{' '.join(command)} .venv` failed; its message is above. Mend it and repeat.")
    # Debian's pip 23.0 downloads whole wheels to plan an installation; newer ones read metadata.
    pip("install", "--upgrade", "pip")


def wants_cpu_build() -> bool:
    """Tell whether torch's CUDA libraries would be dead weight on this machine."""
    if os.environ.get(ALLOW_CUDA) == "1" or not sys.platform.startswith("linux"):
        return False
    return not (shutil.which("nvidia-smi") and run("nvidia-smi", "-L", show=False))


def cuda_packages(names: list[str]) -> list[str]:
    """Return the names of packages that carry CUDA libraries."""
    return [name for name in names if re.match(r"(nvidia|cuda)[-_]", name.lower())]


def install_torch() -> None:
    """Install torch: the CPU build where there is no GPU."""
    if run(PYTHON, "-c", "import torch", show=False):
        return
    if wants_cpu_build():
        say(f"Asking pip what {TORCH} would bring along")
        plan = pip("install", "--dry-run", "--ignore-installed", "--report", "-", TORCH)
        names = [package["metadata"]["name"] for package in json.loads(plan)["install"]]
        if cuda_packages(names):
            install_cpu_torch()
    say(f"Installing {TORCH} and what it needs")
    pip("install", TORCH)


def install_cpu_torch() -> None:
    """Install torch alone from its CPU builds, which uv knows how to find; stop when it cannot."""
    say("No NVIDIA GPU here, and pip's torch brings CUDA: fetching the CPU build with uv")
    pip("install", "uv")
    uv = (PYTHON, "-m", "uv", "pip", "install", "--quiet", "--python", PYTHON)
    if not run(*uv, "--no-deps", "--torch-backend", "cpu", TORCH):
        stop(
            f"The CPU build of {TORCH} cannot be fetched, and pip's build downloads 2.7 GB of "
            "CUDA libraries that are useless without an NVIDIA GPU. Put a CPU wheel into a folder "
            f"and set PIP_FIND_LINKS to it, or accept CUDA with {ALLOW_CUDA}=1; then repeat."
        )


def check_torch() -> None:
    """Stop when some requirement has brought CUDA after all."""
    if not wants_cpu_build():
        return
    found = cuda_packages([path.stem for path in VENV.glob("lib/*/site-packages/*.dist-info")])
    if found:
        stop(
            f"No NVIDIA GPU is here, but CUDA packages were installed: {', '.join(found)}. "
            f"`rm -r .venv` and repeat, or accept them with {ALLOW_CUDA}=1."
        )


def covered(extra: str, extras: dict[str, list[str]]) -> set[str]:
    """Return the extras that come with ``extra``, itself included."""
    names = {extra}
    for requirement in extras[extra]:
        nested = re.fullmatch(r"atlash\[(.+)\]", requirement)
        if nested:
            names.update(*(covered(name.strip(), extras) for name in nested[1].split(",")))
    return names


def main() -> None:
    """Bring ``.venv`` up to date with ``pyproject.toml`` for one extra."""
    require_python()
    import tomllib  # new in Python 3.11

    project = (ROOT / "pyproject.toml").read_bytes()
    extras = tomllib.loads(project.decode())["project"]["optional-dependencies"]
    extra = sys.argv[1] if len(sys.argv) == 2 else ""
    if extra not in extras:
        stop(f"Usage: python3 scripts/bootstrap.py EXTRA, with EXTRA one of {', '.join(extras)}.")
    digest = hashlib.sha256(project + Path(__file__).read_bytes()).hexdigest()
    stamp = VENV / f".installed-{extra}"
    if stamp.exists() and stamp.read_text() == digest:
        return
    create_environment()
    install_torch()
    say(f"Installing atlash[{extra}]; the first time takes a few minutes")
    pip("install", "--editable", f"{ROOT}[{extra}]")
    check_torch()
    for name in covered(extra, extras):
        (VENV / f".installed-{name}").write_text(digest)
    say(f"The environment .venv is ready for `{extra}`")


if __name__ == "__main__":
    main()
