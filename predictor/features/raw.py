"""What a feature map reduces: the parts of a picture, the question's embedding, the extras."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from m3_backbone.scales import EXTRAS
from predictor.data import Extras, FloatArray, IntArray
from predictor.features.projections import Blocks
from predictor.rows import Features, cut_chosen, cut_rows


@dataclass(frozen=True)
class RawParts:
    """The parts of some questions, read block by block.

    Attributes:
        coarse: coarse tokens [n, t, D].
        vectors: the question's embedding and the extras in use, by part [n, width of the part].
    """

    coarse: Features
    vectors: Mapping[str, Features]

    @classmethod
    def collect(
        cls, coarse: Features, question: Features, extras: Extras, blocks: tuple[str, ...]
    ) -> "RawParts":
        """Check the shapes and take the extras that the blocks need.

        Raises:
            ValueError: if shapes do not fit, or a block is not in the labels.
        """
        c, q = np.shape(coarse), np.shape(question)
        if len(c) != 3 or c[1] < 2 or q != (c[0], c[2]):
            raise ValueError(
                f"expected coarse [n, t, D] with t >= 2 and question [n, D], got {c}, {q}"
            )
        wanted = [name for name in EXTRAS if name in blocks]
        missing = [name for name in wanted if name not in extras]
        if missing:
            raise ValueError(
                f"the block {missing[0]!r} is not in these labels; make them with "
                f"`m3scale label --extra {missing[0]}`"
            )
        return cls(coarse, {"question": question, **{name: extras[name] for name in wanted}})

    def blocks(self) -> Iterator[slice]:
        """Cut all rows into blocks to read one after the other."""
        sizes = [math.prod(np.shape(part)[1:]) for part in (self.coarse, *self.vectors.values())]
        return cut_rows(len(self.coarse), sum(sizes))

    def read(self, rows: slice) -> dict[str, FloatArray]:
        """Read every part of some rows, float32 [k, width of the part]."""
        asked = {name: self.read_vectors(name, rows) for name in self.vectors}
        return {**self.read_picture(rows), **asked}

    def read_picture(self, rows: slice | IntArray) -> dict[str, FloatArray]:
        """Read the parts of the picture, float32: one, spread [k, D] and grid [k, (t - 1) D]."""
        c = np.asarray(self.coarse[rows], np.float32)
        grid = c[:, 1:]  # [k, t - 1, D]
        return {"one": c[:, 0], "grid": grid.reshape(len(c), -1), "spread": grid.std(axis=1)}

    def read_vectors(self, name: str, rows: slice | IntArray) -> FloatArray:
        """Read the question's embedding or an extra, float32 [k, width of the part]."""
        return np.asarray(self.vectors[name][rows], np.float32)

    def picture_blocks(self, rows: IntArray) -> Blocks:
        """Read the parts of the picture of some rows, block by block."""
        cuts = cut_chosen(rows, math.prod(np.shape(self.coarse)[1:]))
        return lambda: (self.read_picture(cut) for cut in cuts)

    def vector_blocks(self, name: str, rows: IntArray) -> Blocks:
        """Read the question's embedding or an extra of some rows, block by block."""
        cuts = cut_chosen(rows, np.shape(self.vectors[name])[1])
        return lambda: ({name: self.read_vectors(name, cut)} for cut in cuts)
