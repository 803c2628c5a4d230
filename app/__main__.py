"""`python -m app`: the web process."""

from config import settings
from telemetry import metrics_directory


def main() -> None:
    """Check the settings, then serve."""
    settings.load_or_exit()  # before what takes long to import: a mistake shows at once
    metrics_directory.share()
    from app.server import serve

    serve()


if __name__ == "__main__":
    main()
