"""The package from outside: what imports, what loads lazily, what the stubs promise."""

import subprocess
import sys
from pathlib import Path

import pytest

import hybrid_fast

ROOT = Path(__file__).parent.parent


def python(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=120
    ).stdout


@pytest.mark.parametrize("name", hybrid_fast.__all__)
def test_every_public_name_is_there_and_documented(name: str) -> None:
    value = getattr(hybrid_fast, name)
    assert isinstance(value, str) or value.__doc__


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        _ = hybrid_fast.nonsense


def test_submodules_do_not_shadow_public_functions() -> None:
    code = (
        "import hybrid_fast as hf, hybrid_fast.searching, hybrid_fast.sweeping, hybrid_fast.reporting\n"
        "print(all(callable(getattr(hf, n)) for n in ('search', 'sweep', 'report', 'evaluate', 'train')))"
    )
    assert python(code) == "True\n"


@pytest.mark.parametrize(
    "code",
    [
        "import hybrid_fast",
        "import hybrid_fast as hf; hf.topk, hf.search, hf.HybridBatchSampler, hf.load_corpus",
        "import hybrid_fast.cli.app as a\ntry: a.main(['--help'])\nexcept SystemExit: pass",
    ],
)
def test_heavy_libraries_stay_out(code: str) -> None:
    heavy = "{'torch', 'transformers', 'sentence_transformers', 'datasets', 'pandas', 'altair', 'pyarrow'}"
    printed = python(f"{code}\nimport sys\nprint(sorted({heavy} & set(sys.modules)))")
    assert printed.splitlines()[-1] == "[]"


def test_importing_the_package_loads_only_itself_and_the_standard_library() -> None:
    code = (
        "import sys; before = set(sys.modules)\n"
        "import hybrid_fast\n"
        "new = set(sys.modules) - before\n"
        "print(sorted({name.partition('.')[0] for name in new} - set(sys.stdlib_module_names)))\n"
        "print(sum(name.startswith('hybrid_fast') for name in new))"
    )
    loaded, own = python(code).splitlines()
    assert loaded == "['hybrid_fast']"
    assert int(own) <= 2


def test_the_first_search_and_topk_load_numpy_alone() -> None:
    code = (
        "import numpy, sys; before = set(sys.modules)\n"
        "import hybrid_fast as hf\n"
        "m = numpy.eye(3, dtype='f4')\n"
        "hf.topk(m, 1), hf.measure(hf.ranks(m, [[0]] * 3), ['AP'])\n"
        "hf.search(m, [m, m], 1, positives=[[4]] * 3)\n"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "print(sorted(new - set(sys.stdlib_module_names) - {'numpy'}))"
    )
    assert python(code) == "['hybrid_fast']\n"


def test_version_is_the_crates() -> None:
    cargo = (ROOT / "Cargo.toml").read_text(encoding="utf-8")
    assert f'version = "{hybrid_fast.__version__}"' in cargo


def test_core_errors_are_value_errors() -> None:
    from hybrid_fast import errors

    for name in errors.__all__:
        assert issubclass(getattr(errors, name), ValueError)


def test_no_lazy_name_is_that_of_its_own_module() -> None:
    # The module would take the name's place as soon as anything imports it.
    import hybrid_fast.training

    for package in (hybrid_fast, hybrid_fast.training):
        folder = Path(package.__file__ or "").parent
        assert [name for name in package._HOME if name == package._HOME[name]] == []
        assert [name for name in package._HOME if (folder / f"{name}.py").exists()] == []
