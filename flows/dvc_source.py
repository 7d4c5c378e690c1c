"""The source of a dataset in MLflow: a path under DVC, at one md5."""

from pathlib import Path
from typing import Any

from mlflow.data.dataset_source import DatasetSource

from components.errors import DataError
from components.paths import find_workspace
from flows.data_versions import read_data_versions


class DvcSource(DatasetSource):
    """Names data by its path in a workspace and DVC's md5: nothing of this machine."""

    def __init__(self, path: str, md5: str) -> None:
        self.path = path
        self.md5 = md5

    @staticmethod
    def _get_source_type() -> str:
        return "dvc"

    def load(self) -> Path:
        """Return the data in the workspace that we stand in.

        Raises DataError if it holds another version there.
        """
        workspace = find_workspace(Path.cwd())
        for version in read_data_versions(workspace):
            if (version.path, version.md5) == (self.path, self.md5):
                return workspace.root / self.path
        raise DataError(
            f"{workspace.root} does not hold {self.path} with md5 {self.md5}; check out the "
            "commit that does with git, then run 'dvc checkout'"
        )

    @staticmethod
    def _can_resolve(raw_source: Any) -> bool:
        return False  # it is always made by name, never guessed from an address

    @classmethod
    def _resolve(cls, raw_source: Any) -> "DvcSource":
        raise NotImplementedError(raw_source)

    def to_dict(self) -> dict[str, Any]:
        """Return path and md5."""
        return {"path": self.path, "md5": self.md5}

    @classmethod
    def from_dict(cls, source_dict: dict[Any, Any]) -> "DvcSource":
        """Read what `to_dict` gave."""
        return cls(source_dict["path"], source_dict["md5"])
