"""Teaches a model with scikit-learn, the extra `mining`: logistic regression, or boosted trees.

The only module that imports it, and only when asked. The same lesson gives the same model: nothing is left to chance.
"""

from collections.abc import Sequence
from typing import Any, Final, Literal, TypeAlias

from engine.core.errors import BadSetting
from engine.mining.churn import Features, Guess, Learn

Kind: TypeAlias = Literal["logistic", "boosting"]

_SEED: Final = 0


def learner(kind: Kind) -> Learn:
    """Return how to learn; raises `BadSetting` when scikit-learn is not installed."""
    try:
        import sklearn  # noqa: F401 - said before the history is read, not after
    except ImportError:
        raise BadSetting(
            "Learning needs scikit-learn, which is not installed. Install it with `pip install 'journeyd[mining]'`"
        ) from None

    def learn(features: Sequence[Features], lost: Sequence[bool]) -> Guess:
        model = _boosting() if kind == "boosting" else _logistic()
        model.fit([list(one) for one in features], [int(one) for one in lost])

        def guess(asked: Sequence[Features]) -> list[float]:
            return [float(pair[1]) for pair in model.predict_proba([list(one) for one in asked])]

        return guess

    return learn


def _logistic() -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=1_000, random_state=_SEED))


def _boosting() -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    # Early stopping would set customers aside by chance; few small trees need none.
    return HistGradientBoostingClassifier(
        max_iter=100, learning_rate=0.05, max_leaf_nodes=15, early_stopping=False, random_state=_SEED
    )
