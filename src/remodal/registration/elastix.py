"""elastix, called for one pair of images on one thread, in a process that may crash.

`import itk` is lazy, but the first use of elastix through it imports thirty wrapped libraries and
torch: 17 s of CPU. The few compiled modules that a registration needs, imported by name, take less
than one second. That is why the classes below have SWIG's names and not names such as
`itk.ElastixRegistrationMethod`; the version is pinned for the same reason.
"""

import importlib
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from remodal.errors import BadCase
from remodal.geometry.volume import Geometry, Volume
from remodal.process.own_process import Crashed, in_own_process
from remodal.registration.ways.elastix import Options

ParameterMap = dict[str, tuple[str, ...]]

_TRANSFORMS = {
    "translation": "TranslationTransform",
    "rigid": "EulerTransform",
    "affine": "AffineTransform",
    "bspline": "BSplineTransform",
}
#: More threads crash elastix when it is called from Python, and results depend on their number.
_THREADS = 1
_BENDING_SAMPLES = 200


def estimate(
    fixed: Volume,
    moving: Volume,
    body: np.ndarray | None,
    options: Options,
    outside: float,
) -> list[ParameterMap]:
    """Transforms from the fixed image's points to the moving image's, one after the other.

    The displacements of all transforms add up ("Add", not "Compose"), so that a B-spline stays
    regular on the fixed grid.

    Args:
        fixed: float32 image.
        moving: float32 image.
        body: uint8 mask (z, y, x) on the fixed grid of where samples are drawn; None: everywhere.
        options: transforms, pyramid, optimiser.
        outside: intensity outside the moving image.

    Returns:
        elastix transform parameter maps in the order of `options.transforms`.

    Raises:
        BadCase: elastix could not align the pair, or crashed.
        EnvironmentProblem: it was killed, for example for lack of memory.
    """
    _modules()  # imported here, so that a process of many pairs does it once
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "elastix.log"
        try:
            return in_own_process(_run, fixed, moving, body, options, outside, log)
        except Crashed as crash:
            reason = str(crash)
        except RuntimeError as error:
            reason = _reason(log, error)
    raise BadCase(
        f"elastix could not align the images ({reason})",
        remedy="look at both images; registration.options.elastix holds the settings",
    )


def _run(
    fixed: Volume,
    moving: Volume,
    body: np.ndarray | None,
    options: Options,
    outside: float,
    log: Path,
) -> list[ParameterMap]:
    modules = _modules()
    method = modules.method.itkElastixRegistrationMethodIF3IF3.New()
    # ITK reads the arrays in place: they must outlive Update().
    method.SetFixedImage(_image(modules.arrays.itkPyBufferIF3, fixed))
    method.SetMovingImage(_image(modules.arrays.itkPyBufferIF3, moving))
    if body is not None:
        mask = fixed.with_array(body)
        method.SetFixedMask(_image(modules.arrays.itkPyBufferIUC3, mask))
    chosen = modules.parameters.elastixParameterObject.New()
    for parameters in parameter_maps(options, outside, fixed.geometry, moving.geometry):
        chosen.AddParameterMap(parameters)
    method.SetParameterObject(chosen)
    method.SetNumberOfThreads(_THREADS)
    method.LogToConsoleOff()
    method.SetOutputDirectory(str(log.parent))
    method.SetLogFileName(log.name)
    method.LogToFileOn()
    method.Update()
    found = method.GetTransformParameterObject()
    return [_plain(found.GetParameterMap(n)) for n in range(found.GetNumberOfParameterMaps())]


def parameter_maps(
    options: Options, outside: float, fixed: Geometry, moving: Geometry
) -> list[ParameterMap]:
    """The parameters given to elastix, one map for each transform (keys: elastix manual 5.2)."""
    return [
        {
            key: (value,) if isinstance(value, str) else tuple(value)
            for key, value in {
                **_common(options, outside),
                **_pyramids(options, fixed, moving),
                **_of_transform(name, options),
            }.items()
        }
        for name in options.transforms
    ]


def default_parameter_map(name: str) -> ParameterMap:
    """What elastix itself proposes for `translation`, `rigid`, `affine` or `bspline`."""
    given = _modules().parameters.elastixParameterObject.New().GetDefaultParameterMap(name)
    return {key: tuple(values) for key, values in given.items()}


def _common(options: Options, outside: float) -> dict[str, str]:
    return {
        "Registration": "MultiResolutionRegistration",
        "Metric": "AdvancedMattesMutualInformation",
        "NumberOfHistogramBins": "48",
        # Linear interpolation blurs noise between voxels, which pulls the optimum off the truth.
        "Interpolator": "BSplineInterpolatorFloat",
        "BSplineInterpolationOrder": "3",
        "ImageSampler": "RandomCoordinate",
        # An eroded body would lose the skin at the coarse levels.
        "ErodeMask": "false",
        "NewSamplesEveryIteration": "true",
        "NumberOfSpatialSamples": str(options.samples),
        "CheckNumberOfSamples": "true",
        "RequiredRatioOfValidSamples": "0.05",
        "RandomSeed": str(options.seed),
        "Optimizer": "AdaptiveStochasticGradientDescent",
        "MaximumNumberOfIterations": str(options.iterations),
        "AutomaticParameterEstimation": "true",
        # The default of 100000 triples a small pair's time for the same alignment.
        "NumberOfSamplesForExactGradient": "4096",
        "HowToCombineTransforms": "Add",
        "AutomaticTransformInitialization": "false",
        "ResampleInterpolator": "FinalBSplineInterpolator",
        "FinalBSplineInterpolationOrder": "3",
        "Resampler": "DefaultResampler",
        "DefaultPixelValue": f"{outside:g}",
        "WriteResultImage": "false",
        "ResultImageFormat": "nii",
        "ResultImagePixelType": "float",
    }


def _pyramids(options: Options, fixed: Geometry, moving: Geometry) -> dict[str, str | list[str]]:
    """Smoothing that is the same in mm along each axis, and none at the last level."""
    levels = range(options.resolutions - 1, -1, -1)
    schedules: dict[str, str | list[str]] = {"NumberOfResolutions": str(options.resolutions)}
    for side, geometry in {"Fixed": fixed, "Moving": moving}.items():
        voxel = min(geometry.spacing)
        sigmas = [f"{voxel * 2**level / 2 if level else 0:g}" for level in levels]
        schedules[f"{side}ImagePyramid"] = f"{side}GenericImagePyramid"
        schedules[f"{side}ImagePyramidRescaleSchedule"] = ["1"] * 3 * options.resolutions
        schedules[f"{side}ImagePyramidSmoothingSchedule"] = [s for s in sigmas for _ in range(3)]
    schedules["ComputePyramidImagesPerResolution"] = "true"
    return schedules


def _of_transform(name: str, options: Options) -> dict[str, str | list[str]]:
    # The original way of estimating the step size takes most of a registration's time, but where
    # all voxels move alike, the other takes the root of a variance that rounding makes negative.
    method = "Original" if name == "translation" else "DisplacementDistribution"
    step_size = {"ASGDParameterEstimationMethod": method}
    if name != "bspline":
        return {"Transform": _TRANSFORMS[name], "AutomaticScalesEstimation": "true", **step_size}
    levels = range(options.resolutions - 1, -1, -1)
    return {
        "Transform": _TRANSFORMS[name],
        **step_size,
        "Registration": "MultiMetricMultiResolutionRegistration",
        "Metric": ["AdvancedMattesMutualInformation", "TransformBendingEnergyPenalty"],
        "Metric0Weight": "1",
        "Metric1Weight": f"{options.bending:g}",
        # A few points of its own are enough for the penalty, and cost a tenth of the time.
        "ImageSampler": ["RandomCoordinate", "RandomCoordinate"],
        "ImageSampler1NumberOfSpatialSamples": str(_BENDING_SAMPLES),
        "FinalGridSpacingInPhysicalUnits": f"{options.grid_spacing:g}",
        "GridSpacingSchedule": [str(2**level) for level in levels],
    }


def _modules() -> SimpleNamespace:
    import itk  # noqa: F401  (the package that the modules below belong to)
    from itk.support import helpers

    # ITK imports torch if it is installed, to accept its tensors: a needless 2 s here.
    helpers._HAVE_TORCH = False
    libraries = ("ITKPyBase", "ITKCommon", "ITKTransform", "Elastix", "ITKBridgeNumPy")
    for library in libraries:
        importlib.import_module(f"itk._{library}Python")
    return SimpleNamespace(
        method=importlib.import_module("itk.itkElastixRegistrationMethodPython"),
        parameters=importlib.import_module("itk.elxParameterObjectPython"),
        arrays=importlib.import_module("itk.itkPyBufferPython"),
    )


def _image(buffer: type, volume: Volume) -> object:
    geometry = volume.geometry
    image = buffer._GetImageViewFromArray(volume.array, geometry.shape[::-1], 1)
    image.SetSpacing(geometry.spacing)
    image.SetOrigin(geometry.origin)
    direction = image.GetDirection()
    entries = direction.GetVnlMatrix()  # a copy, from which a new matrix is made
    for place, value in enumerate(geometry.direction):
        entries.set(place // 3, place % 3, value)
    image.SetDirection(type(direction)(entries))
    return image


def _reason(log: Path, error: RuntimeError) -> str:
    """What elastix says: the first description in its log, otherwise the exception's message."""
    text = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
    found = re.findall(r"Description: (?:ITK ERROR: )?(.+)", text) or [str(error).splitlines()[-1]]
    return re.sub(r"\(0x[0-9a-f]+\)", "", found[0]).strip()


def _plain(parameters: Mapping[str, Sequence[str]]) -> ParameterMap:
    """A parameter map without the path of the transform before: a temporary file of elastix."""
    chained = "InitialTransformParameterFileName"
    return {key: tuple(values) for key, values in parameters.items() if key != chained}
