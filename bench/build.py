"""Which build of Python the figures are of: one built without optimizations costs a fifth of the rate."""

import platform
import sysconfig


def describe() -> str:
    """Return version and build of the Python that runs us, in words."""
    return f"{platform.python_implementation()} {platform.python_version()} built {options(arguments())}"


def arguments() -> str:
    """Return what it was configured with."""
    return str(sysconfig.get_config_var("CONFIG_ARGS") or "")


def options(arguments: str) -> str:
    """Say which of the optimizations it was built with, and for whom."""
    profile, link = "--enable-optimizations" in arguments, "--with-lto" in arguments
    if profile and link:
        return "with `--enable-optimizations` and `--with-lto`"
    if profile:
        return "with `--enable-optimizations`, without `--with-lto`"
    if link:
        return "with `--with-lto`, without `--enable-optimizations`"
    return "without `--enable-optimizations` and `--with-lto`"
