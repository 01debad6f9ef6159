"""Looks whether a model can be had from the hub at all; the libraries below retry for a minute."""

from __future__ import annotations

from huggingface_hub import get_hf_file_metadata, hf_hub_url, try_to_load_from_cache
from huggingface_hub.errors import HfHubHTTPError, HFValidationError

from ..errors import ModelError

SECONDS = 10.0
"""How long the hub has to answer."""


def check_reachable(name: str) -> None:
    """Refuse a model that is neither here nor on a hub that answers.

    What the hub says of the name is left to what opens the model.

    Raises:
        ModelError: not downloaded before, and no connection.
    """
    names = [name] if "/" in name else [name, f"sentence-transformers/{name}"]
    try:
        for one in names:
            for file in ("config.json", "modules.json"):
                if isinstance(try_to_load_from_cache(one, file), str):
                    return
        get_hf_file_metadata(hf_hub_url(name, "config.json"), timeout=SECONDS)
    except (HfHubHTTPError, HFValidationError):
        return
    except Exception as error:  # of whichever client the hub's package has, or its offline mode
        raise ModelError(
            f"there is no model folder {name}, it was not downloaded before, and the Hugging Face hub cannot "
            "be reached; check the name, or download it once where there is a network"
        ) from error
