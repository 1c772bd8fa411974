"""The bundled photograph and page: where they come from, that they are found, what stands on the page."""

import subprocess
import sys

import numpy as np
import pytest
from skimage.data import camera

from cnnkit import data
from cnnkit.data import store


def test_the_photograph_is_scikit_images_camera_at_half_its_size():
    photo = data.photo()
    assert photo.dtype == np.float64 and photo.shape == (200, 256)
    halved = camera()[30:430].astype(float).reshape(200, 2, 256, 2).mean((1, 3)).round()
    assert np.array_equal((photo * 255).round(), halved)
    assert photo.min() >= 0 and photo.max() <= 1


def test_the_page_has_its_letters_where_the_list_says():
    page, letters = data.page(), data.page_letters()
    assert page.dtype == np.float64 and page.shape == (300, 560)
    words = "".join(letter.character for letter in letters)
    assert words.startswith("WhatafiltercanreadAwindowthatslides") and words.endswith("itisamistake.")
    for letter in letters:
        row, column = round(letter.row), round(letter.column)
        patch = page[row - 7 : row + 8, column - 5 : column + 6]
        assert np.ptp(patch) > 0.35, letter
        dark_ground = np.median(patch) < 0.2
        assert dark_ground == (letter.style == "negative"), letter


def test_pictures_are_found_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert data.photo().any()
    code = "from cnnkit import data; print(data.photo().shape)"
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=120
    )
    assert run.stdout.strip() == "(200, 256)"


def test_a_package_without_its_repository_looks_above_the_notebook(tmp_path, monkeypatch):
    repository, notebook = store.REPOSITORY, tmp_path / "notebooks" / "02-filters"
    notebook.mkdir(parents=True)
    monkeypatch.setattr(store, "REPOSITORY", tmp_path / "site-packages")
    monkeypatch.chdir(notebook)
    with pytest.raises(FileNotFoundError, match="pip install -e") as raised:
        data.photo()
    assert str(notebook) in str(raised.value)
    (tmp_path / "data").symlink_to(repository / "data")
    assert data.folder() == tmp_path / "data" and data.page().any()
