"""The families by name: one switch in params.yaml picks one."""

from components.errors import ParameterError
from components.models.attention import SelfAttention
from components.models.biases import Biases, Mean, Popularity
from components.models.catalogue import Catalogue, UserBook
from components.models.content import Content
from components.models.finetuned import Finetuned
from components.models.gru import Gru
from components.models.hybrid import Hybrid
from components.models.mf import MatrixFactorization
from components.models.protocol import Recommender, Weights
from components.models.rules import Rules
from components.models.svdpp import SvdPlusPlus

FAMILIES: dict[str, type[Recommender]] = {
    family.family: family
    for family in (
        Mean,
        Popularity,
        Rules,
        Biases,
        Content,
        MatrixFactorization,
        SvdPlusPlus,
        Hybrid,
        Gru,
        SelfAttention,
        Finetuned,
    )
}

# What every candidate is measured against: learnt beside it, in closed form.
RUNGS = ("mean", "popularity", "rules", "biases")


def build(family: str, weights: Weights, catalogue: Catalogue, users: UserBook) -> Recommender:
    """Return the recommender of a family; raise ParameterError if there is no such family."""
    if family not in FAMILIES:
        raise ParameterError(f"family {family!r} is none of {', '.join(sorted(FAMILIES))}")
    return FAMILIES[family](weights, catalogue, users)
