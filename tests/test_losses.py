from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

from hybrid_fast.errors import InvalidArgument, InvalidShape
from hybrid_fast.losses import InfoNCELoss, infonce

torch.set_num_threads(1)


def naive(queries, passages, temperature, negatives, denominator, symmetric):
    """The formula, one exponential at a time, in float64."""

    def cosine(a, b):
        return float(a @ b / math.sqrt((a @ a) * (b @ b)))

    def one(anchor, positive, wrong):
        top = math.exp(cosine(anchor, positive) / temperature)
        return -math.log(top / (top + sum(math.exp(cosine(anchor, other) / temperature) for other in wrong)))

    size = len(queries)
    losses = []
    for i in range(size):
        others = [] if denominator == "own" else [passages[j] for j in range(size) if j != i]
        losses.append(one(queries[i], passages[i], [*others, *negatives]))
    loss = sum(losses) / size
    if symmetric:
        back = [
            one(passages[i], queries[i], [queries[j] for j in range(size) if j != i]) for i in range(size)
        ]
        loss = (loss + sum(back) / size) / 2
    return loss


@settings(max_examples=60, deadline=None)
@given(
    size=st.integers(1, 6),
    wrong=st.integers(0, 4),
    temperature=st.sampled_from([0.03, 0.1, 1.0]),
    denominator=st.sampled_from(["in-batch", "own"]),
    symmetric=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_equals_the_formula(size, wrong, temperature, denominator, symmetric, seed):
    random = np.random.default_rng(seed)
    queries, passages = random.normal(size=(2, size, 5))
    negatives = random.normal(size=(wrong + (denominator == "own"), 5))
    loss = infonce(
        torch.tensor(queries),
        torch.tensor(passages),
        temperature=temperature,
        negatives=torch.tensor(negatives) if len(negatives) else None,
        denominator=denominator,
        symmetric=symmetric,
    )
    expected = naive(queries, passages, temperature, negatives, denominator, symmetric)
    assert loss.item() == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_floor_of_the_unscaled_own_denominator():
    """At temperature 1 and 100 negatives the loss cannot fall below log(1 + 100·e⁻²) ≈ 2.68."""
    queries = torch.tensor([[1.0, 0.0]])
    loss = infonce(queries, queries, temperature=1.0, negatives=-queries.repeat(100, 1), denominator="own")
    assert loss.item() == pytest.approx(math.log(1 + 100 * math.exp(-2)), abs=1e-5)


def test_own_denominator_ignores_the_other_positives():
    queries, passages, negatives = torch.randn(3, 4, 8, generator=torch.Generator().manual_seed(0))
    arguments = {"temperature": 0.1, "negatives": negatives}
    alone = {
        denominator: torch.stack(
            [
                infonce(queries[[i]], passages[[i]], denominator=denominator, **arguments)
                for i in range(len(queries))
            ]
        ).mean()
        for denominator in ("own", "in-batch")
    }
    assert torch.allclose(infonce(queries, passages, denominator="own", **arguments), alone["own"])
    assert infonce(queries, passages, denominator="in-batch", **arguments) > alone["in-batch"]


class Given(torch.nn.Module):
    """A stand-in for an encoder: the features are the embeddings."""

    def forward(self, features):
        return {"sentence_embedding": features["embedding"]}


def test_module_equals_the_library_loss():
    queries, passages = torch.randn(2, 5, 8, generator=torch.Generator().manual_seed(3))
    features = [{"embedding": queries}, {"embedding": passages}]
    ours = InfoNCELoss(Given(), temperature=0.05)(features)
    theirs = MultipleNegativesRankingLoss(Given(), scale=20.0)(features, labels=None)
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-5)


def test_module_takes_hard_negatives_from_further_columns():
    columns = torch.randn(4, 3, 8, generator=torch.Generator().manual_seed(4))
    loss = InfoNCELoss(Given(), temperature=0.1, denominator="own")
    features = [{"embedding": column} for column in columns]
    expected = infonce(
        columns[0],
        columns[1],
        temperature=0.1,
        negatives=torch.cat([columns[2], columns[3]]),
        denominator="own",
    )
    assert torch.equal(loss(features), expected)


def test_gradient_pulls_the_positive():
    queries = torch.randn(4, 8, generator=torch.Generator().manual_seed(5))
    passages = torch.randn(4, 8, generator=torch.Generator().manual_seed(6)).requires_grad_()
    before = infonce(queries, passages, temperature=0.1)
    before.backward()
    after = infonce(queries, passages - 0.1 * passages.grad, temperature=0.1)
    assert after < before


@pytest.mark.parametrize("symmetric", [False, True])
def test_half_precision_inputs_are_widened(symmetric):
    queries, passages = torch.randn(2, 4, 8, generator=torch.Generator().manual_seed(7)).bfloat16()
    loss = infonce(queries, passages, temperature=0.03, symmetric=symmetric)
    assert loss.dtype == torch.float32
    assert torch.equal(
        loss, infonce(queries.float(), passages.float(), temperature=0.03, symmetric=symmetric)
    )


def test_refusals():
    rows = torch.eye(3)
    with pytest.raises(InvalidArgument, match="'own' needs hard negatives"):
        infonce(rows, rows, temperature=0.1, denominator="own")
    with pytest.raises(InvalidArgument, match="temperature is 0"):
        infonce(rows, rows, temperature=0)
    with pytest.raises(InvalidArgument, match="'mine'"):
        infonce(rows, rows, temperature=1, denominator="mine")
    with pytest.raises(InvalidShape, match=r"\(3, 3\).*\(2, 3\)"):
        infonce(rows, rows[:2], temperature=1)
    with pytest.raises(InvalidShape, match="negatives"):
        infonce(rows, rows, temperature=1, negatives=torch.zeros(2, 4))
