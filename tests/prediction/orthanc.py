"""A PACS for tests: Debian's Orthanc on loopback, in a folder of its own."""

import json
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError

#: What the tests need: Debian's packages orthanc and dcmtk.
PROGRAMS = ("Orthanc", "storescu", "findscu")
_PATIENCE = 60.0


class Pacs:
    """A running Orthanc, by DICOM and by REST."""

    def __init__(self, dicom_port: int, http_port: int) -> None:
        self.dicom_port = dicom_port
        self._dicom, self._http = str(dicom_port), f"http://127.0.0.1:{http_port}"
        self._open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open

    def store(self, *files: Path) -> None:
        """Send files by C-STORE, whatever their transfer syntaxes."""
        command = ["storescu", "-R", "-aec", "ORTHANC", "127.0.0.1", self._dicom]
        subprocess.run([*command, *map(str, files)], check=True, capture_output=True)

    def find(self, level: str, **keys: str) -> str:
        """What C-FIND answers, as findscu prints it."""
        command = ["findscu", "-S", "-aec", "ORTHANC", "-k", f"QueryRetrieveLevel={level}"]
        wanted = [part for key, value in keys.items() for part in ("-k", f"{key}={value}")]
        done = subprocess.run(
            [*command, *wanted, "127.0.0.1", self._dicom],
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout + done.stderr

    def get(self, path: str) -> bytes:
        """The answer of the REST interface."""
        with self._open(f"{self._http}{path}", timeout=_PATIENCE) as answer:
            return answer.read()

    def json(self, path: str) -> object:
        """The same, as JSON."""
        return json.loads(self.get(path))

    def send(self, method: str, path: str, content: bytes | None = None) -> bytes:
        """Change something by the REST interface."""
        request = urllib.request.Request(f"{self._http}{path}", content, method=method)
        with self._open(request, timeout=_PATIENCE) as answer:
            return answer.read()


@contextmanager
def running(folder: Path) -> Iterator[Pacs]:
    """Start a PACS; it ends with the block."""
    dicom, http = _free_ports()
    configuration = {
        "Name": "remodal-test",
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "Plugins": [],
        "DicomAet": "ORTHANC",
        "DicomPort": dicom,
        "DicomCheckCalledAet": False,
        "DicomAlwaysAllowEcho": True,
        "DicomAlwaysAllowStore": True,
        "DicomAlwaysAllowFind": True,
        "DicomServerEnabled": True,
        "HttpServerEnabled": True,
        "HttpPort": http,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
    }
    (folder / "orthanc.json").write_text(json.dumps(configuration))
    with open(folder / "orthanc.log", "wb") as log:
        server = subprocess.Popen(
            [shutil.which("Orthanc"), str(folder / "orthanc.json")], stdout=log, stderr=log
        )
        try:
            pacs = Pacs(dicom, http)
            _wait_for(pacs, server, folder / "orthanc.log")
            yield pacs
        finally:
            server.terminate()
            try:
                server.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _free_ports() -> list[int]:
    sockets = [socket.socket() for _ in range(2)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def _wait_for(pacs: Pacs, server: subprocess.Popen, log: Path) -> None:
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end and server.poll() is None:
        try:
            pacs.get("/system")
        except (URLError, OSError):
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"Orthanc does not answer: {log.read_text(errors='replace')[-2000:]}")
