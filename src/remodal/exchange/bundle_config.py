"""The files of a MONAI bundle: its metadata, and the configuration that predicts.

The form is that of https://docs.monai.io/en/stable/mb_specification.html.
"""

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

from remodal import __version__
from remodal.settings import InferenceSettings

#: The version that exported bundles were tried with.
MONAI = "1.6.1"
#: What remodal's code needs to predict, besides torch and NumPy.
_NEEDED = (
    *("isal", "pydantic", "pydicom", "pyjpegls", "pylibjpeg", "pylibjpeg-openjpeg", "PyYAML"),
    *("safetensors", "scipy", "SimpleITK", "threadpoolctl"),
)
_PARTS = "remodal.exchange.bundle_parts"
NETWORK, DESCRIPTION = "models/model.ts", "models/model.json"


def metadata(description: Mapping[str, Any], modalities: Sequence[str], patch: Any) -> dict:
    """Content of configs/metadata.json.

    Args:
        description: the model's.
        modalities: the images, in the order of the channels.
        patch: sides of a window with its context, (z, y, x).
    """
    classes = ["background", *description["classes"]]
    made_from = "simulated data" if description["simulated"] else "the study's cases"
    return {
        "version": __version__,
        "changelog": {__version__: "exported by remodal"},
        "monai_version": MONAI,
        "pytorch_version": version("torch").partition("+")[0],
        "numpy_version": version("numpy"),
        "required_packages_version": {name: version(name) for name in _NEEDED},
        "name": f"{description['study']} {description['label']}",
        "task": f"segmentation of {', '.join(description['classes'])}",
        "description": f"{description['label']} of study {description['study']}, trained on "
        f"{made_from}, fold {description['fold']}, seed {description['seed']}",
        "authors": "",
        "copyright": "",
        "intended_use": "research; not a medical device",
        "network_data_format": {
            "inputs": {
                "image": {
                    **{"type": "image", "format": "magnitude", "dtype": "float32"},
                    **{"num_channels": len(modalities), "spatial_shape": list(patch)},
                    **{"value_range": [], "is_patch_data": True},
                    "channel_def": dict(zip(map(str, range(len(modalities))), modalities)),
                }
            },
            "outputs": {
                "pred": {
                    **{"type": "probabilities", "format": "segmentation", "dtype": "float32"},
                    **{"num_channels": len(classes), "spatial_shape": list(patch)},
                    **{"value_range": [0, 1], "is_patch_data": True},
                    "channel_def": dict(zip(map(str, range(len(classes))), classes)),
                }
            },
        },
    }


def inference(
    settings: InferenceSettings,
    modalities: Sequence[str],
    answer: str,
    patch: Sequence[int],
    context: Sequence[int],
) -> dict:
    """Content of configs/inference.json: `run` segments the patient `images` into `output`.

    Args:
        settings: windows and mirroring.
        modalities: the images, in the order of the channels.
        answer: the image that is segmented; empty: the fixed one.
        patch: part of a window that is predicted, (z, y, x).
        context: what the network sees around it.
    """
    windows = {
        **{"_target_": f"{_PARTS}.Windows", "roi_size": list(patch), "step": settings.step},
        **{"context": list(context), "uniform": settings.weights == "uniform"},
        **{"mirror": settings.mirror, "sw_batch_size": 4},
    }
    preparation = {
        **{"_target_": f"{_PARTS}.Preparation", "description": f"$@bundle_root + '/{DESCRIPTION}'"},
        **{"modalities": list(modalities), "answer": answer},
    }
    return {
        "imports": ["$import torch"],
        "bundle_root": ".",
        "images": {name: f"{name}.nii.gz" for name in modalities},
        "output": "segmentation.nii.gz",
        "device": "$torch.device('cuda:0' if torch.cuda.is_available() else 'cpu')",
        "network_def": f"$torch.jit.load(@bundle_root + '/{NETWORK}', map_location=@device).eval()",
        "preprocessing": {"_target_": "Compose", "transforms": [preparation]},
        "dataset": {
            "_target_": "Dataset",
            "data": [{"images": "@images", "output": "@output"}],
            "transform": "@preprocessing",
        },
        "inferer": windows,
        "postprocessing": {
            "_target_": "Compose",
            "transforms": [{"_target_": f"{_PARTS}.Restoration"}],
        },
        "run": [
            "$[@postprocessing({**case, 'pred': "
            "@inferer(case['image'][None].to(@device), @network_def)[0]}) for case in @dataset]"
        ],
    }
