"""The same through an S3 server: a remote is configuration only."""

import hashlib
import subprocess
import sys
import time
import urllib.request

import pytest

from tests.sharing.study import SharedFolder, finished_study

pytest.importorskip("dvc_s3", reason="dvc-s3 is not installed")
pytest.importorskip("moto", reason="moto, the S3 server, is not installed")

SERVER = """
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
"""
KEYS = {"AWS_ACCESS_KEY_ID": "tester", "AWS_SECRET_ACCESS_KEY": "secret"}


@pytest.fixture
def s3():
    """Address of an S3 server on loopback with the bucket `studies`."""
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        port = next(line.strip() for line in server.stdout if line.strip().isdigit())
        address = f"http://127.0.0.1:{port}"
        for _ in range(100):
            try:
                urllib.request.urlopen(
                    urllib.request.Request(f"{address}/studies", method="PUT"), timeout=10
                )
                break
            except OSError:
                time.sleep(0.1)
        yield address
    finally:
        server.kill()
        server.wait()


def objects(address):
    with urllib.request.urlopen(f"{address}/studies?list-type=2", timeout=10) as answer:
        return answer.read().decode()


def put_object(address, key, content):
    import boto3

    client = boto3.client(
        "s3",
        endpoint_url=address,
        region_name="us-east-1",
        aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
    )
    client.put_object(Bucket="studies", Key=key, Body=content)


def test_a_study_is_shared_through_s3_by_configuration_only(s3, tmp_path):
    owner = SharedFolder(tmp_path / "owner")
    owner.folder.mkdir()
    owner.environment = KEYS
    finished_study(owner, "s3://studies/liver")
    owner.run("dvc", "remote", "modify", "shared", "endpointurl", s3)
    owner.remodal("share")
    owner.commit("a study")
    assert "liver/files/md5/" in objects(s3)

    clone = owner.clone(tmp_path / "clone")
    assert "all as they were shared" in clone.remodal("pull").stdout
    weights = "results/studies/ours/models/a.safetensors"
    assert (clone / weights).read_text() == "weights of a"

    name = hashlib.md5(b"weights of a").hexdigest()
    put_object(s3, f"liver/files/md5/{name[:2]}/{name[2:]}", b"others of a!")
    other = owner.clone(tmp_path / "other")
    assert f"{weights}: DVC's remote has no sound copy of it" in other.refusal("pull")


def test_a_remote_that_does_not_answer_ends_in_one_line(tmp_path):
    owner = SharedFolder(tmp_path)
    owner.environment = KEYS | {"AWS_MAX_ATTEMPTS": "1"}
    finished_study(owner, "s3://studies/liver")
    owner.run("dvc", "remote", "modify", "shared", "endpointurl", "http://127.0.0.1:9")
    done = owner.remodal("share", check=False)
    assert done.returncode == 4, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.strip().splitlines()[-1].startswith("remodal: ")
