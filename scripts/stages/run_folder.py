"""Where the parts of one run lie: outcomes, router and report under one folder.

Not a place for work: only names of folders, so that commands which follow each other agree on them.
"""

from dataclasses import dataclass
from pathlib import Path

from scripts.terminal.options import WHOLE

DEFAULT_RUN = Path("runs/demo")
SPLITS = ("router-train", "calibration", "test")


@dataclass(frozen=True)
class RunFolder:
    """The folder of one run; it need not exist.

    >>> RunFolder(Path("runs/mine")).outcomes("test").as_posix()
    'runs/mine/outcomes/test'
    """

    root: Path

    def outcomes(self, split: str) -> Path:
        """Name the folder that `m3scale label` writes for a split, of `SPLITS` or the user's."""
        return self.root / "outcomes" / split

    @property
    def whole(self) -> Path:
        """The folder of labels that `--split` cuts in the three of `SPLITS`."""
        return self.root / WHOLE

    @property
    def router(self) -> Path:
        """The folder that `m3scale train` writes."""
        return self.root / "router"

    @property
    def profile(self) -> Path:
        """The file that `m3scale profile` writes."""
        return self.root / "profile.json"

    @property
    def report(self) -> Path:
        """The folder that `m3scale report` writes."""
        return self.root / "report"


PARTS = RunFolder(Path())
"""Where they lie in the folder of any run."""
