"""The same through an SSH server: a remote is configuration only."""

import hashlib
import subprocess
import sys

import asyncssh
import pytest

from tests.sharing.study import SharedFolder, finished_study

SERVER = """
import asyncio, sys
import asyncssh

async def serve(folder, host_key, allowed):
    server = await asyncssh.listen(
        "127.0.0.1",
        0,
        server_host_keys=[host_key],
        authorized_client_keys=allowed,
        sftp_factory=lambda channel: asyncssh.SFTPServer(channel, chroot=folder),
    )
    print(server.get_port(), flush=True)
    await asyncio.to_thread(sys.stdin.read)

asyncio.run(serve(*sys.argv[1:]))
"""


@pytest.fixture
def home(tmp_path):
    """A user's home with a key that the server knows."""
    folder = tmp_path / "home/.ssh"
    folder.mkdir(parents=True)
    for name in ("id_ed25519", "host"):
        key = asyncssh.generate_private_key("ssh-ed25519")
        key.write_private_key(folder / name)
        key.write_public_key(folder / f"{name}.pub")
        (folder / name).chmod(0o600)
    return folder.parent


@pytest.fixture
def server(home, tmp_path):
    """Port of an SFTP server on loopback, and the folder that it serves."""
    served = tmp_path / "served"
    served.mkdir()
    arguments = (served, home / ".ssh/host", home / ".ssh/id_ed25519.pub")
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield int(process.stdout.readline()), served
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def owner(home, server, tmp_path):
    """A finished study whose remote is that server."""
    owner = SharedFolder(tmp_path / "owner")
    owner.folder.mkdir()
    owner.environment = {"HOME": str(home), "SSH_AUTH_SOCK": ""}
    finished_study(owner, f"ssh://tester@127.0.0.1:{server[0]}/store")
    return owner


def test_a_study_is_shared_through_ssh_by_configuration_only(owner, server, tmp_path):
    _, served = server
    owner.remodal("share")
    owner.commit("a study")

    clone = owner.clone(tmp_path / "clone")
    assert "all as they were shared" in clone.remodal("pull").stdout
    weights = "results/studies/ours/models/a.safetensors"
    assert (clone / weights).read_text() == "weights of a"

    name = hashlib.md5(b"weights of a").hexdigest()
    stored = served / "store/files/md5" / name[:2] / name[2:]
    assert stored.read_text() == "weights of a"
    stored.chmod(0o644)
    stored.write_text("others of a!")
    other = owner.clone(tmp_path / "other")
    assert f"{weights}: DVC's remote has no sound copy of it" in other.refusal("pull")


def test_a_user_whom_the_server_does_not_know_is_told_in_one_line(owner, home):
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(home / ".ssh/id_ed25519")
    (home / ".ssh/id_ed25519.pub").unlink()
    done = owner.remodal("share", check=False)
    assert done.returncode == 4, done.stderr
    assert "Traceback" not in done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("remodal: dvc push: ")
