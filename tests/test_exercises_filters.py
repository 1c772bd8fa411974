"""Unit 02: the references agree with other people's code, and answers that are wrong in a corner only lose marks."""

import numpy as np
import pytest
from scipy import ndimage, signal
from skimage import feature, filters

from cnnkit import evaluate, oracle
from cnnkit.exercises import get
from cnnkit.exercises.filters import make_layer

SEEDS = (0, 1, 20261121)
SHAPES = [((7, 9), (3, 3)), ((8, 5), (2, 4)), ((4, 6), (4, 6)), ((6, 3), (1, 1)), ((9, 8), (5, 2))]


@pytest.fixture(params=["float64", "float32"])
def draw(request):
    rng = np.random.default_rng(3)
    return lambda *shape: rng.standard_normal(shape).astype(request.param)


def close(got, expected):
    assert got.shape == expected.shape
    single = got.dtype == np.float32
    np.testing.assert_allclose(got, expected, rtol=1e-4 if single else 1e-9, atol=1e-5 if single else 1e-11)


# References against SciPy and scikit-image


@pytest.mark.parametrize(("image", "kernel"), SHAPES)
def test_correlation_and_convolution_are_scipys(image, kernel, draw):
    image, kernel = draw(*image), draw(*kernel)
    close(oracle.correlate2d(image, kernel), signal.correlate2d(image, kernel, "valid"))
    close(oracle.convolve2d(image, kernel), signal.convolve2d(image, kernel, "valid"))
    close(oracle.convolve2d(image, kernel, full=True), signal.convolve2d(image, kernel))
    close(oracle.fft_convolve2d(image, kernel), signal.fftconvolve(image, kernel))
    assert oracle.correlate2d(image, kernel).dtype == image.dtype


def test_a_kernel_larger_than_the_picture_is_refused_where_scipy_swaps_the_two(draw):
    image, kernel = draw(3, 4), draw(5, 6)
    assert signal.correlate2d(image, kernel, "valid").shape == (3, 3)
    for filter_ in (oracle.correlate2d, oracle.convolve2d, oracle.match_template):
        with pytest.raises(ValueError, match=r"5.*3"):
            filter_(image, kernel)


@pytest.mark.parametrize("shape", [(3, 3), (3, 8), (7, 6)])
def test_derivatives_are_scipys_away_from_the_border(shape, draw):
    """SciPy keeps the size by reflecting the border; ours has no border. Its axis 1 is our gx."""
    image = draw(*shape)
    inside = np.s_[1:-1, 1:-1]
    gx, gy, magnitude = oracle.sobel(image)
    close(gx, ndimage.sobel(image, axis=1)[inside])
    close(gy, ndimage.sobel(image, axis=0)[inside])
    close(magnitude, ndimage.generic_gradient_magnitude(image, ndimage.sobel)[inside])
    close(oracle.laplacian(image), ndimage.laplace(image)[inside])
    smooth = ndimage.uniform_filter(image, 3)
    close(oracle.sharpen(image, 1.5), (image + 1.5 * (image - smooth))[inside].astype(image.dtype))


def test_derivatives_are_scikit_images_up_to_its_scale():
    """It divides Sobel's slopes by 4 and the magnitude by the root of 2 as well; its Laplacian has the other sign."""
    image = np.random.default_rng(4).random((9, 7))
    inside = np.s_[1:-1, 1:-1]
    gx, gy, magnitude = oracle.sobel(image)
    close(gx, 4 * filters.sobel_v(image)[inside])
    close(gy, 4 * filters.sobel_h(image)[inside])
    close(magnitude, 4 * np.sqrt(2) * filters.sobel(image)[inside])
    close(oracle.laplacian(image), -filters.laplace(image)[inside])


@pytest.mark.parametrize(("image", "template"), [shapes for shapes in SHAPES if shapes[1] != (1, 1)])
def test_template_matching_is_scikit_images(image, template):
    rng = np.random.default_rng(5)
    image, template = rng.random(image), rng.random(template)
    close(oracle.match_template(image, template), feature.match_template(image, template))
    assert abs(oracle.match_template(image, template)).max() <= 1 + 1e-12


def test_flat_windows_score_zero_as_in_scikit_image():
    image = np.zeros((6, 8))
    image[:, 5:] = np.arange(18).reshape(6, 3)
    template = np.array([[1.0, 2], [4, 3]])
    score = oracle.match_template(image, template)
    assert (score[:, :4] == 0).all()
    close(score, feature.match_template(image, template))
    assert not oracle.match_template(image, np.ones((2, 2))).any()
    # A third cannot be written in binary, so that the mean of nine equal values is not the value.
    assert not oracle.match_template(np.full((5, 5), 1 / 3), np.arange(9.0).reshape(3, 3)).any()


@pytest.mark.parametrize(("image", "kernel"), SHAPES)
def test_the_matrix_does_what_scipys_convolution_does_and_its_transpose_what_its_correlation_does(image, kernel, draw):
    image, kernel = draw(*image), draw(*kernel)
    matrix = oracle.convmtx2(kernel, *image.shape)
    full = signal.convolve2d(image, kernel)
    close((matrix @ image.ravel()).reshape(full.shape), full)
    back = (matrix.T @ full.ravel()).reshape(image.shape)
    close(back, signal.correlate2d(full, kernel, "valid"))
    assert matrix.dtype == image.dtype and (matrix != 0).sum() == image.size * kernel.size


def test_which_layers_are_equivariant():
    x = np.random.default_rng(6).standard_normal((2, 3, 6, 8))
    error = {
        name: oracle.equivariance_error(make_layer(name, x.shape, x.dtype), x, 1, -2)
        for name in ("squares", "largest channel", "circular convolution", "padded convolution", "fully connected")
    }
    assert error["squares"] == error["largest channel"] == 0
    assert error["circular convolution"] < 1e-12
    assert error["padded convolution"] > 0.1 < error["fully connected"]
    halved = make_layer("every second pixel", x.shape, x.dtype)
    # A shift by two in the picture is one by one in the output: not the same roll on both sides.
    assert oracle.equivariance_error(halved, x, 2, 2) > 0.1
    assert np.array_equal(halved(np.roll(x, 2, -1)), np.roll(halved(x), 1, -1))


# Answers that are wrong in one corner only


def twisted(name, hit, wrong=lambda result: result + 1):
    """The reference, but ``wrong`` where ``hit(*args)``."""
    exercise = get(name)

    def answer(*args):
        result = exercise.oracle(*args)
        return wrong(result) if hit(*args) else result

    return answer


def loses(name, answer):
    for seed in SEEDS:
        verdict = evaluate(name, answer, seed=seed)
        assert verdict.score < verdict.max_score, f"seed {seed}: {verdict.text()}"
    return verdict


KERNELS = {
    "square kernel": lambda image, kernel: kernel.shape[0] == kernel.shape[1] > 1,
    "kernel higher than wide": lambda image, kernel: kernel.shape[0] > kernel.shape[1] > 1,
    "kernel wider than high": lambda image, kernel: kernel.shape[1] > kernel.shape[0] > 1,
    "even kernel": lambda image, kernel: kernel.shape[0] % 2 == 0,
    "odd kernel": lambda image, kernel: kernel.shape[0] % 2 == 1,
    "one row": lambda image, kernel: kernel.shape[0] == 1,
    "one column": lambda image, kernel: kernel.shape[1] == 1,
    "square picture": lambda image, kernel: image.shape[0] == image.shape[1],
    "kernel as large as the picture": lambda image, kernel: image.shape == kernel.shape,
}


@pytest.mark.parametrize("corner", KERNELS)
@pytest.mark.parametrize("name", ["correlate2d", "convolve2d", "match_template", "fft_convolve2d"])
def test_each_shape_of_kernel_counts(name, corner):
    loses(name, twisted(name, KERNELS[corner]))


@pytest.mark.parametrize("name", ["sobel", "laplacian", "sharpen"])
def test_pictures_of_one_window_and_square_ones_count(name):
    turned = (lambda parts: tuple(part + 1 for part in parts)) if name == "sobel" else (lambda out: out + 1)
    loses(name, twisted(name, lambda image, *rest: image.shape == (3, 3), turned))
    loses(name, twisted(name, lambda image, *rest: image.shape[0] == image.shape[1] > 3, turned))


@pytest.mark.parametrize("part", range(3))
def test_each_part_of_sobel_counts_in_each_precision(part):
    for dtype in (np.float32, np.float64):

        def spoil(parts, dtype=dtype):
            return tuple(p + (i == part) * (p.dtype == dtype) for i, p in enumerate(parts))

        loses("sobel", lambda image, spoil=spoil: spoil(oracle.sobel(image)))


def test_one_spoilt_entry_is_enough():
    def spoil(out):
        out = out.copy()
        out[-1, -1] += 1e-3
        return out

    for name in ("correlate2d", "laplacian", "match_template", "convmtx2", "fft_convolve2d"):
        assert loses(name, lambda *args, name=name: spoil(get(name).oracle(*args))).score == 0


@pytest.mark.parametrize("name", ["correlate2d", "convolve2d", "match_template"])
def test_a_kernel_that_does_not_fit_on_one_axis_must_be_refused(name):
    for axis in (0, 1):

        def answer(image, kernel, axis=axis):
            if image.shape[axis] < kernel.shape[axis]:
                return np.zeros((0, 0), image.dtype)
            return get(name).oracle(image, kernel)

        assert loses(name, answer).groups["sizes"][0] == 0


def test_scipys_functions_called_as_they_are_lose_marks_where_they_swap_picture_and_kernel():
    for name, function in (("correlate2d", signal.correlate2d), ("convolve2d", signal.convolve2d)):
        verdict = loses(name, lambda image, kernel, function=function: function(image, kernel, mode="valid"))
        assert verdict.groups == {"basics": (2, 2), "sizes": (0, 1)}


@pytest.mark.parametrize("alpha", ["zero", "negative", "above one", "an int"])
def test_each_strength_of_sharpening_counts(alpha):
    hit = {
        "zero": lambda image, alpha: alpha == 0,
        "negative": lambda image, alpha: alpha < 0,
        "above one": lambda image, alpha: alpha > 1,
        "an int": lambda image, alpha: isinstance(alpha, int) and alpha > 0,
    }[alpha]
    loses("sharpen", twisted("sharpen", hit))


def test_nan_and_inf_on_flat_windows_cost_their_group_and_are_named():
    for nothing in (np.nan, np.inf, -np.inf, 1.0):

        def answer(image, template, nothing=nothing):
            score = oracle.match_template(image, template)
            windows = np.lib.stride_tricks.sliding_window_view(image, template.shape)
            flat = windows.max((2, 3)) == windows.min((2, 3))
            return np.where(flat, image.dtype.type(nothing), score)

        verdict = loses("match_template", answer)
        assert verdict.groups["basics"] == (2, 2) and verdict.groups["flat windows"][0] == 0
        assert (verdict.bug == "division by zero") == (nothing in (np.inf,) or np.isnan(nothing))


def test_template_matching_by_scikit_image_is_right_where_it_takes_float64():
    def answer(image, template):
        if min(image.shape[0] - template.shape[0], image.shape[1] - template.shape[1]) < 0:
            raise ValueError("larger than the picture")
        wide = feature.match_template(image.astype(np.float64), template.astype(np.float64))
        return wide.astype(image.dtype)

    for seed in range(8):
        assert evaluate("match_template", answer, seed=seed).passed


def test_a_tiny_number_under_the_fraction_is_a_right_answer():
    def answer(image, template):
        windows = np.lib.stride_tricks.sliding_window_view(image, template.shape)
        windows = windows - windows.mean((2, 3), keepdims=True)
        pattern = template - template.mean()
        lengths = np.sqrt((windows**2).sum((2, 3)) * (pattern**2).sum())
        return (windows * pattern).sum((2, 3)) / (lengths + 1e-8)

    for seed in range(8):
        assert evaluate("match_template", answer, seed=seed).passed


def test_both_orders_of_flattening_and_both_precisions_of_the_matrix_count():
    loses("convmtx2", twisted("convmtx2", lambda kernel, m, n: m > n))
    loses("convmtx2", twisted("convmtx2", lambda kernel, m, n: m < n))
    loses("convmtx2", twisted("convmtx2", lambda kernel, m, n: kernel.shape[0] > m))
    loses("convmtx2", lambda kernel, m, n: oracle.convmtx2(kernel, m, n).astype(np.float64))


def test_odd_and_even_sizes_of_the_transform_count():
    for axis in (0, 1):
        for rest in (0, 1):

            def hit(image, kernel, axis=axis, rest=rest):
                return (image.shape[axis] + kernel.shape[axis] - 1) % 2 == rest

            loses("fft_convolve2d", twisted("fft_convolve2d", hit))


SHIFTS = {
    "up": lambda dy, dx: dy < 0,
    "left": lambda dy, dx: dx < 0,
    "further than the picture": lambda dy, dx: abs(dy) > 7,
    "down only": lambda dy, dx: dx == 0 != dy,
    "right only": lambda dy, dx: dy == 0 != dx,
}


@pytest.mark.parametrize("shift", SHIFTS)
def test_each_direction_of_a_shift_counts(shift):
    def answer(layer, x, dy, dx):
        return oracle.equivariance_error(layer, x, dy, dx) + SHIFTS[shift](dy, dx)

    verdict = loses("equivariance_error", answer)
    assert verdict.groups["basics"] == (2, 2)


def test_an_error_measured_on_the_first_image_or_channel_only_loses_marks():
    loses("equivariance_error", lambda layer, x, dy, dx: oracle.equivariance_error(layer, x[:1], dy, dx))
    for sloppy in (0.0, 1.0, float("nan")):
        verdict = loses("equivariance_error", lambda layer, x, dy, dx, sloppy=sloppy: sloppy)
        assert verdict.score == 0


def through_numpys_fft(image, kernel, take, more=0):
    shape = [n + k - 1 + more for n, k in zip(image.shape, kernel.shape, strict=True)]
    return take(np.fft.ifft2(np.fft.fft2(image, shape) * np.fft.fft2(kernel, shape))).astype(image.dtype)


def inside_only(layer, x, dy, dx):
    gap = layer(np.roll(x, (dy, dx), (-2, -1))) - np.roll(layer(x), (dy, dx), (-2, -1))
    return np.abs(gap[:, :, 1:-1, 1:-1]).max(initial=0)


@pytest.mark.parametrize(
    ("name", "answer", "bug"),
    [
        ("convolve2d", lambda image, kernel: oracle.convolve2d(image, kernel)[:-1, :-1], "a row and a column short"),
        ("fft_convolve2d", lambda image, kernel: through_numpys_fft(image, kernel, np.abs), "absolute value"),
        ("fft_convolve2d", lambda image, kernel: through_numpys_fft(image, kernel, np.real, 1), "not cut to size"),
        (
            "match_template",
            lambda image, template: oracle.match_template(image, template[::-1, ::-1]),
            "template turned or transposed",
        ),
        (
            "equivariance_error",
            lambda layer, x, dy, dx: abs(
                layer(np.roll(x, (dy, dx), (1, 2))) - np.roll(layer(x), (dy, dx), (1, 2))
            ).max(),
            "rolled along the wrong axes",
        ),
        ("equivariance_error", inside_only, "borders left out"),
    ],
)
@pytest.mark.parametrize("seed", [0, 11])
def test_what_students_commonly_get_wrong_is_named(name, answer, bug, seed):
    assert evaluate(name, answer, seed=seed).bug == bug
