"""Places are addresses in the order of the list, and what work carries of it does not grow with the partitions."""

from __future__ import annotations

import pickle
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.blocks.near.verify import GatherWork, JoinUnit
from pipeline.blocks.partition_list import PartitionList
from pipeline.blocks.sorted_runs import EVERYTHING, Run
from pipeline.storage import Folder
from pipeline.store import BlockStore, DataFile
from stages.contract import ADDRESS, ORDINAL_BITS

NUMBERS = st.integers(0, 2**40 - 1) | st.integers(0, 5)


def signatures(store: BlockStore, number: int, moved: tuple[int, int] | None = None) -> Run:
    """As the sketches of a partition leave them."""
    file = DataFile(f"{number:024x}.0123456789ab.signatures", 464_000, 1000, f"{number:032x}")
    return Run(store, file, (number << ORDINAL_BITS,), (ADDRESS,), (), moved)


@settings(max_examples=30)
@given(st.lists(NUMBERS, min_size=1, max_size=12, unique=True), st.data())
def test_places_follow_the_list(numbers: list[int], data: st.DataObject) -> None:
    """Rows of the first partition of the list come first, in their order, and lead back to their addresses."""
    with tempfile.TemporaryDirectory() as folder:
        check_places(PartitionList.write(Folder(folder), numbers, {}), numbers, data)


def check_places(listed: PartitionList, numbers: list[int], data: st.DataObject) -> None:
    rows = data.draw(st.lists(st.tuples(st.sampled_from(numbers), st.integers(0, 2**ORDINAL_BITS - 1)), max_size=20))
    addresses = np.array([number << ORDINAL_BITS | ordinal for number, ordinal in rows], np.uint64)
    places = listed.places(addresses)
    assert places.tolist() == [numbers.index(number) << ORDINAL_BITS | ordinal for number, ordinal in rows]
    assert listed.addresses(places).tolist() == addresses.tolist()


def test_what_is_not_listed(tmp_path: Path) -> None:
    """A partition that is not in the list, a place beyond it, and signatures that there are none of are errors."""
    listed = PartitionList.write(Folder(str(tmp_path)), [7, 3], {})
    with pytest.raises(KeyError, match="0000000005 is not listed"):
        listed.places(np.array([5 << ORDINAL_BITS], np.uint64))
    with pytest.raises(KeyError, match="no partition 2"):
        listed.addresses(np.array([2 << ORDINAL_BITS], np.uint64))
    with pytest.raises(KeyError, match="0000000003 has no signatures"):
        listed.signatures(3)


def test_signatures_come_back_as_they_were(tmp_path: Path) -> None:
    """File, store, first keys, and that the rows are of an earlier run; the same list is written once."""
    stores = [BlockStore(Folder(str(tmp_path / name))) for name in ("own", "earlier")]
    runs = {9: signatures(stores[1], 9, (2, 9)), 4: signatures(stores[0], 4)}
    listed = PartitionList.write(Folder(str(tmp_path / "lists")), [9, 4], runs)
    assert {number: listed.signatures(number) for number in (9, 4)} == runs
    assert listed.any_signatures() == runs[4]
    assert PartitionList.write(Folder(str(tmp_path / "lists")), [9, 4], runs) == listed
    assert PartitionList.write(Folder(str(tmp_path / "lists")), [4, 9], runs) != listed


def test_10_000_partitions_do_not_travel_with_each_unit(tmp_path: Path) -> None:
    """What is pickled for a unit is a few hundred bytes, however many partitions there are; the list has 300 each."""
    store, sizes = BlockStore(Folder(str(tmp_path))), []
    for count in (1, 10_000):
        numbers = [number * 2_654_435_761 % 2**40 for number in range(1, count + 1)]
        listed = PartitionList.write(store.folder, numbers, {number: signatures(store, number) for number in numbers})
        work = GatherWork("near", store, (), listed)
        sizes.append(len(pickle.dumps(work)) + len(pickle.dumps(JoinUnit("0", EVERYTHING))))
        assert len(store.folder.read(listed.name)) < 4000 + 300 * count
        assert listed.signatures(numbers[-1]) == signatures(store, numbers[-1])
    assert sizes[0] == sizes[1] < 1000
