"""The page in a browser: Chromium, with WebGL in software."""

import json
import re
import shutil
import subprocess
from html import unescape

import numpy as np
import pytest
import SimpleITK as sitk

from remodal.viewer.page import write_page

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--use-gl=angle"),
    *("--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--window-size=900,700"),
    "--virtual-time-budget=30000",
)
#: Switches all segmentations on, filled, then shows the second image; then says what NiiVue holds.
USE = """
byId("all").click();
document.querySelectorAll('[name="style"]')[1].click();
document.querySelectorAll('[name="image"]')[1].click();
const sum = (values) => Array.from(values).reduce((a, b) => a + b, 0);
const grid = { dims: [6, 5, 1], lines: new Map(), voxels: new Uint8Array(30) };
for (let y = 1; y < 4; y++) for (let x = 1; x < 5; x++) grid.voxels[x + 6 * y] = 1;
grid.voxels[2 + 6 * 2] = 0;
const area = (line) => line.reduce((total, [u, v], i) => {
  const [nextU, nextV] = line[(i + 1) % line.length];
  return total + (u * nextV - nextU * v) / 2;
}, 0);
queue.then(() => {
  const tile = nv.screenSlices.findIndex((one) => one.axCorSag === 0);
  const dims = nv.volumes[0].dimsRAS.slice(1, 4);
  const at = nv.scene.crosshairPos;
  const told = {
    sums: nv.volumes.map((one) => sum(one.img)),
    affines: nv.volumes.map((one) => one.hdr.affine),
    here: byId("here").textContent,
    trouble: byId("trouble").textContent,
    areas: contours(grid, 0, 0, 1).map(area),
    placed: placement(nv, nv.screenSlices[tile], tile, dims)(at[0] * dims[0], at[1] * dims[1]),
    expected: nv.frac2canvasPosWithTile(at, tile)?.pos ?? null,
    requests: performance.getEntriesByType("resource").map((one) => one.name.slice(0, 40)),
  };
  document.body.dataset.told = JSON.stringify(told);
});
"""


@pytest.fixture(scope="module")
def told(study, niivue, tmp_path_factory):
    """What the page says of itself, and the state that it ends in."""
    if CHROMIUM is None:
        pytest.skip("chromium is not installed")
    from remodal.viewer.shown import what_to_show

    folder = tmp_path_factory.mktemp("browser")
    page = folder / "page.html"
    write_page(what_to_show(study, "c001"), page, niivue)
    text = page.read_text(encoding="utf-8")
    page.write_text(f"{text}<script>{USE}</script>", encoding="utf-8")
    command = [CHROMIUM, *OPTIONS, f"--user-data-dir={folder / 'profile'}", "--dump-dom"]
    done = subprocess.run(
        [*command, page.as_uri()], capture_output=True, timeout=300, encoding="utf-8"
    )
    found = re.search(r'data-told="(.*?)"', done.stdout)
    state = re.search(r"<html [^>]*>", done.stdout)
    assert found, (state and state[0], done.stderr[-2000:])
    return json.loads(unescape(found[1])) | {"root": state[0]}


def test_niivue_holds_all_volumes_of_a_page_opened_from_disk(told, study):
    assert told["trouble"] == ""
    assert 'data-state="ready"' in told["root"]
    assert 'data-volumes="5"' in told["root"]
    data = study.parents[1] / "data/phantom-smoke/registered/c001"
    files = [data / "venous.nii.gz", data / "label-venous.nii.gz"]
    predictions = study / "predictions"
    files += [
        predictions / name
        for name in (
            "nnunet/fold0-seed0/both/c001.nii.gz",
            "maml/fold0-seed0/both/c001.nii.gz",
            "maml/fold0-seed0/venous/c001.nii.gz",
        )
    ]
    images = [sitk.ReadImage(str(file)) for file in files]
    arrays = [sitk.GetArrayFromImage(image).astype(float) for image in images]
    arrays[1] = arrays[1] == 2
    assert told["sums"] == pytest.approx([array.sum() for array in arrays], rel=1e-6)
    for affine, image in zip(told["affines"], images, strict=True):
        place = image.TransformIndexToPhysicalPoint((2, 3, 4))
        ras = np.array(affine) @ [2, 3, 4, 1]
        assert ras[:3] == pytest.approx(np.array(place) * [-1, -1, 1], abs=1e-3)


def test_the_page_says_what_is_at_the_crosshair(told):
    assert "Truth: tumour" in told["here"]
    assert "venous: " in told["here"]


def test_outlines_are_closed_lines_around_voxels_with_their_corners_cut_and_holes_inside(told):
    outer, inner = max(told["areas"]), min(told["areas"])
    assert len(told["areas"]) == 2
    assert outer == pytest.approx(4 * 3 - 4 / 8)
    assert inner == pytest.approx(-(1 - 4 / 8))


def test_outlines_lie_where_niivue_draws_the_voxels(told):
    assert told["expected"] is not None
    assert told["placed"] == pytest.approx(told["expected"], abs=0.5)


def test_the_page_asks_for_nothing(told):
    assert [name for name in told["requests"] if not name.startswith(("data:", "blob:"))] == []
