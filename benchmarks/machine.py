"""What the figures were measured on and with."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version

PACKAGES = (
    "trawl",
    "apache-airflow",
    "dag-factory",
    "airflow-blueprint",
    "gusty",
    "check-jsonschema",
    "dlt",
    "pyarrow",
    "pandas",
)


def facts() -> str:
    """One paragraph: processors, system, Python, packages."""
    packages = ", ".join(f"{name} {_version(name)}" for name in PACKAGES)
    return (
        f"{os.cpu_count()} processors ({_processor()}), load {os.getloadavg()[0]:.1f}, "
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}\n{packages}\n"
    )


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:  # noqa: PTH123 (no file, a window on the kernel)
            names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.machine()
