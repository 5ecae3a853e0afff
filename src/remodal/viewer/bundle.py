"""NiiVue, the viewer inside the page: fetched once by npm, kept in a cache, checked by its digest.

It is not part of this repository. The page is made from exactly one version, so that it looks the
same everywhere.
"""

import base64
import hashlib
import io
import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from remodal.errors import EnvironmentProblem, UserError
from remodal.results.files import atomic_path

PACKAGE, VERSION = "@niivue/niivue", "0.69.0"
#: What npm's lock files call `integrity`: of the packed version.
_INTEGRITY = (
    "sha512-YMjQvJgD1W2b7DuoxkwlC4VxbrgIePRJ5qyQzXKxi2v2MBVg285P/CIQyg46oDDGDIcaNlbd+MhtO/"
    "edMbXJkA=="
)
_MEMBER = "package/dist/niivue.umd.js"
_SHA256 = "47b896b77ec4a5be3ef1949c33ad393b6f45629921f326c279000bcf51bdb4af"
_LONGEST_SECONDS = 300
_PACK = f"npm pack {PACKAGE}@{VERSION}"


def bundle(file: Path | None = None) -> str:
    """NiiVue's script.

    Args:
        file: the script, or the package as `npm pack` writes it; None: the one in the cache
            (`XDG_CACHE_HOME`), which npm fetches first if there is none.

    Raises:
        UserError: `file` is something else.
        EnvironmentProblem: npm is missing, or cannot fetch it.
    """
    if file is not None:
        return _given(file).decode()
    cached = _cache()
    if cached.is_file() and _is_script(content := cached.read_bytes()):
        return content.decode()
    content = _script_of(_packed())
    with atomic_path(cached) as temporary:
        temporary.write_bytes(content)
    return content.decode()


def _cache() -> Path:
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "remodal" / f"niivue-{VERSION}.js"


def _given(file: Path) -> bytes:
    if not file.is_file():
        raise UserError("there is no such file", where=str(file), expected="NiiVue")
    content = file.read_bytes()
    if _is_script(content):
        return content
    if _is_package(content):
        return _script_of(content)
    raise UserError(
        f"is not NiiVue {VERSION}",
        where=str(file),
        expected=f"dist/niivue.umd.js of that version, or the package as `{_PACK}` writes it",
    )


def _packed() -> bytes:
    """The package, from npm.

    Raises:
        EnvironmentProblem: npm is missing, cannot fetch it, or gives something else.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise _not_there("npm is not installed")
    with tempfile.TemporaryDirectory() as folder:
        command = [npm, "pack", f"{PACKAGE}@{VERSION}", "--ignore-scripts", "--silent"]
        try:
            done = subprocess.run(
                command, cwd=folder, capture_output=True, timeout=_LONGEST_SECONDS, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise _not_there(f"npm had not fetched it after {_LONGEST_SECONDS} s") from error
        packages = list(Path(folder).glob("*.tgz"))
        if done.returncode or len(packages) != 1:
            raise _not_there(f"npm cannot fetch it (exit code {done.returncode})")
        content = packages[0].read_bytes()
    if not _is_package(content):
        raise _not_there("what npm fetched has another digest")
    return content


def _not_there(why: str) -> EnvironmentProblem:
    return EnvironmentProblem(
        f"the page needs NiiVue {VERSION}: {why}",
        remedy=f"run `{_PACK}` where there is a network, and give the file with --niivue",
    )


def _is_package(content: bytes) -> bool:
    digest = base64.b64encode(hashlib.sha512(content).digest()).decode()
    return f"sha512-{digest}" == _INTEGRITY


def _is_script(content: bytes) -> bool:
    return hashlib.sha256(content).hexdigest() == _SHA256


def _script_of(package: bytes) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(package)) as archive:
        return archive.extractfile(_MEMBER).read()
