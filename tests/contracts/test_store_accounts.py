"""Every store keeps accounts alike."""

from engine.core.state import Account
from engine.ports import Changes, Store
from tests.contracts.writing import write


def test_an_account_comes_back_whole_and_the_latest_word_counts(store: Store) -> None:
    first = Account("acme", {"plan": "trial"}, {"plan": 5}, {"decision_maker": "c1"})
    write(store, Changes(accounts={"acme": first, "globex": Account("globex")}))
    assert store.accounts(["acme", "none", "globex"]) == {"acme": first, "globex": Account("globex")}
    second = Account("acme", {"plan": "pro", "seats": 40}, {"plan": 9, "seats": 9})
    write(store, Changes(accounts={"acme": second}))
    with store.unit() as unit:
        assert unit.accounts(["acme"]) == {"acme": second}
    assert store.accounts([]) == {}
