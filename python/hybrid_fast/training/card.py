"""The README of a trained model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..config import TrainConfig, to_mapping


def model_card(config: TrainConfig, plan: Mapping[str, Any], description: Mapping[str, Any]) -> str:
    """Return a model card: how to use the encoder, what it was trained on, and the plan's digest.

    Args:
        config: of the run.
        plan: its certificate.
        description: of the trained encoder (:func:`hybrid_fast.encoder.describe`).
    """
    languages = "\n".join(f"- {code}" for code in plan["languages"])
    encoder, kinds = config.encoder, plan["batches"]
    return f"""---
library_name: sentence-transformers
pipeline_tag: sentence-similarity
base_model: {json.dumps(encoder.model)}
language:
{languages}
---

# A multilingual retriever trained on ratio-controlled batches

```python
from sentence_transformers import SentenceTransformer

model = SentenceTransformer("path/of/this/folder")
queries = model.encode_query(["..."])       # adds {description["query"]["prompt"]!r}
passages = model.encode_document(["..."])   # adds {description["passage"]["prompt"]!r}
scores = queries @ passages.T
```

- Steps: {config.steps} of {config.sampler.batch_size} pairs
- Share of monolingual batches: {config.sampler.mono_ratio}
- Batches drawn: {kinds["monolingual"]} monolingual, {kinds["cross-lingual"]} cross-lingual
- Languages held out: {", ".join(plan["held_out"]) or "none"}
- Digest of the plan: `{plan["digest"]}`

## Rows drawn

| language | queries | passages |
|---|---|---|
{_exposure(plan)}

## Configuration

```json
{json.dumps(to_mapping(config), indent=2, ensure_ascii=False)}
```
"""


def _exposure(plan: Mapping[str, Any]) -> str:
    return "\n".join(
        f"| {code} | {plan['query_rows'].get(code, 0)} | {plan['passage_rows'].get(code, 0)} |"
        for code in plan["languages"]
    )
