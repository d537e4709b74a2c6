"""The precedence-climbing parser of condition text. Called by `expressions.py` only."""

from typing import Final

from engine.core.expression import AllOf, AnyOf, Arithmetic, Constant, Expr, Measure, Not, Path
from journeys.functions import FUNCTIONS, Call, call
from journeys.problems import nearest
from journeys.terms import COMPARISONS, TEXT_TESTS, Term, compare, joined, must_be_truth, text_test
from journeys.tokens import Fault, Token, tokenize

MAX_DEPTH: Final = 64
ROOTS: Final = ("event", "enter", "customer", "account")

_OR, _AND, _NOT, _COMPARE, _SUM, _PRODUCT, _SIGN = range(1, 8)
_LEVELS: Final = {"or": _OR, "and": _AND, "+": _SUM, "-": _SUM, "*": _PRODUCT, "/": _PRODUCT}
_TRUTHS: Final = {"true": True, "True": True, "false": False, "False": False}
_NULLS: Final = ("null", "None", "nil", "is")


class Parser:
    """Parses one text; `measures` collects what its behaviour functions ask the fold to keep."""

    def __init__(self, text: str, roots: tuple[str, ...], measures: list[Measure], has_customer: bool) -> None:
        self.tokens = tokenize(text)
        self.at = 0
        self.roots = roots
        self.measures = measures
        self.has_customer = has_customer

    def parse(self, depth: int = 1) -> Term:
        """Return the whole text as one term; raises `Fault`."""
        if len(self.tokens) == 1:
            raise Fault("J040", 0)
        term = self._expression(_OR, depth)
        if self._token.kind != "end":
            raise self._unexpected()
        return term

    @property
    def _token(self) -> Token:
        return self.tokens[self.at]

    def _expression(self, level: int, depth: int) -> Term:
        if depth > MAX_DEPTH:
            raise Fault("J045", self._token.offset, limit=MAX_DEPTH)
        left = self._prefix(level, depth)
        while True:
            word = self._infix()
            own = _LEVELS.get(word, _COMPARE) if word else 0
            if own < level or not word:
                return left
            if own in {_OR, _AND}:
                left = self._joined(word, own, left, depth)
            elif own == _COMPARE:
                left = self._compared(left, depth)
            else:
                left = self._calculated(word, own, left, depth)
            if left.depth > MAX_DEPTH:
                raise Fault("J045", left.offset, limit=MAX_DEPTH)

    def _infix(self) -> str:
        """Return the operator at hand, or "" at the end of this expression."""
        token = self._token
        if token.kind == "op" and token.text == "=":
            raise Fault("J043", token.offset, text="=", instead="==")
        if token.kind not in {"op", "name"}:
            return ""
        if token.text == "is":
            raise Fault("J060", token.offset, text="is")
        if token.text == "not" and self.tokens[self.at + 1].text == "in":
            return "not in"
        known = token.text in _LEVELS or token.text in COMPARISONS or token.text in TEXT_TESTS
        return token.text if known else ""

    def _joined(self, word: str, own: int, left: Term, depth: int) -> Term:
        terms = [must_be_truth(left)]
        while self._token.text == word and self._token.kind == "name":
            self.at += 1
            terms.append(must_be_truth(self._expression(own + 1, depth + 1)))
        expr = joined(AllOf if word == "and" else AnyOf, [term.expr for term in terms])
        return Term(expr, "truth", left.offset, max(term.depth for term in terms) + 1)

    def _compared(self, left: Term, depth: int) -> Term:
        """One comparison, or a chain as in `18 <= customer.age < 30`."""
        parts: list[Expr] = []
        first, deepest = left, left.depth
        while word := self._infix():
            if word in _LEVELS:
                break
            operator = self._token
            self.at += 2 if word == "not in" else 1
            right = self._expression(_COMPARE + 1, depth + 1)
            if word in TEXT_TESTS:
                parts.append(text_test(TEXT_TESTS[word], left, right, operator.offset))
            else:
                parts.append(compare(COMPARISONS[word], left, right, operator.offset))
            left, deepest = right, max(deepest, right.depth)
        expr = parts[0] if len(parts) == 1 else AllOf(tuple(parts))
        return Term(expr, "truth", first.offset, deepest + 2)

    def _calculated(self, word: str, own: int, left: Term, depth: int) -> Term:
        operator = self._token
        self.at += 1
        right = self._expression(own + 1, depth + 1)
        for side in (left, right):
            if side.kind not in {"number", "any"}:
                raise Fault("J048", operator.offset, left=left.kind, right=right.kind)
        expr = Arithmetic(word, left.expr, right.expr)  # type: ignore[arg-type]
        return Term(expr, "number", left.offset, max(left.depth, right.depth) + 1)

    def _prefix(self, level: int, depth: int) -> Term:
        token = self._token
        self.at += 1
        match token.kind:
            case "number":
                return Term(Constant(token.value), "number", token.offset)
            case "string":
                return Term(Constant(token.value), "text", token.offset)
            case "name":
                return self._word(token, level, depth)
            case "op" if token.text == "-":
                return self._negative(token, depth)
            case "op" if token.text == "(":
                term = self._expression(_OR, depth + 1)
                self._expect(")")
                return Term(term.expr, term.kind, token.offset, term.depth)
            case "op" if token.text == "[":
                return self._list(token, depth)
            case _:
                self.at -= 1
                raise self._unexpected()

    def _word(self, token: Token, level: int, depth: int) -> Term:
        name = token.text
        if name == "not" and level <= _NOT:
            part = must_be_truth(self._expression(_NOT, depth + 1))
            return Term(Not(part.expr), "truth", token.offset, part.depth + 1)
        if name in _TRUTHS:
            return Term(Constant(_TRUTHS[name]), "truth", token.offset)
        if name in _NULLS:
            raise Fault("J060", token.offset, text=name)
        if self._token.text == "(" and self._token.kind == "op":
            return self._call(token, depth)
        if name in ROOTS:
            return self._path(token)
        if name in _LEVELS or name in COMPARISONS or name in TEXT_TESTS or name == "not":
            self.at -= 1
            raise self._unexpected()
        raise Fault("J053", token.offset, text=name)

    def _path(self, token: Token) -> Term:
        if token.text not in self.roots:
            raise Fault("J047", token.offset, text=f"{token.text}.", roots=", ".join(f"{r}.x" for r in self.roots))
        parts: list[str] = []
        while self._token.text in {".", "["} and self._token.kind == "op":
            opener = self._token.text
            self.at += 1
            part = self._token
            if part.kind != ("name" if opener == "." else "string"):
                raise self._unexpected()
            self.at += 1
            parts.append(part.text if opener == "." else part.value)
            if opener == "[":
                self._expect("]")
        if not parts or len(parts) > 10:
            raise Fault("J061", token.offset, text=token.text)
        return Term(Path(token.text, tuple(parts)), "any", token.offset)  # type: ignore[arg-type]

    def _call(self, token: Token, depth: int) -> Term:
        name = token.text
        if name in TEXT_TESTS:
            raise Fault("J062", token.offset, text=name, near=f'event.x {name} "..."')
        if name not in FUNCTIONS:
            raise Fault("J062", token.offset, text=name, near=nearest(name, FUNCTIONS) or ", ".join(FUNCTIONS))
        if not self.has_customer and name != "exists":
            raise Fault("J063", token.offset, text=f"{name}()")
        self._expect("(")
        made = Call(name, token.offset, [], {}, self.measures)
        while self._token.text != ")" or self._token.kind != "op":
            self._argument(made, depth)
            if self._token.text != ")":
                self._expect(",", closing=")")
        self._expect(")")
        expr, kind = call(made)
        deepest = max((term.depth for term in [*made.positional, *made.named.values()]), default=0)
        return Term(expr, kind, token.offset, deepest + 1)

    def _argument(self, made: Call, depth: int) -> None:
        token, following = self._token, self.tokens[min(self.at + 1, len(self.tokens) - 1)]
        if token.kind != "name" or following.text != "=" or following.kind != "op":
            made.positional.append(self._expression(_OR, depth + 1))
            return
        self.at += 2
        known = FUNCTIONS[made.name].named
        if known and token.text not in known:
            near = nearest(token.text, known) or ", ".join(sorted(known))
            raise Fault("J140", token.offset, text=token.text, name=made.name, near=near)
        if token.text in made.named:
            raise Fault("J046", token.offset, usage=FUNCTIONS[made.name].usage)
        if token.text == "where":
            outer = self.roots, self.has_customer
            self.roots, self.has_customer = ("event",), False
            made.named["where"] = must_be_truth(self._expression(_OR, depth + 1))
            self.roots, self.has_customer = outer
            return
        made.named[token.text] = self._expression(_OR, depth + 1)
        if token.text == "since" and "enter" not in self.roots:
            raise Fault("J047", token.offset, text='since="enter"', roots=", ".join(f"{r}.x" for r in self.roots))

    def _negative(self, token: Token, depth: int) -> Term:
        term = self._expression(_SIGN, depth + 1)
        if isinstance(term.expr, Constant) and term.kind == "number":
            return Term(Constant(-term.expr.value), "number", token.offset)
        if term.kind not in {"number", "any"}:
            raise Fault("J048", token.offset, left="number", right=term.kind)
        return Term(Arithmetic("-", Constant(0), term.expr), "number", token.offset, term.depth + 1)

    def _list(self, token: Token, depth: int) -> Term:
        values: list[object] = []
        while self._token.text != "]" or self._token.kind != "op":
            item = self._expression(_OR, depth + 1)
            if not isinstance(item.expr, Constant) or item.kind == "list":
                raise Fault("J064", item.offset)
            values.append(item.expr.value)
            if self._token.text != "]":
                self._expect(",", closing="]")
        self._expect("]")
        return Term(Constant(values), "list", token.offset)

    def _expect(self, text: str, closing: str = "") -> None:
        """Go past `text`; where the condition ends instead, `closing` is what it lacks."""
        if self._token.kind != "op" or self._token.text != text:
            raise self._unexpected(closing or text)
        self.at += 1

    def _unexpected(self, wanted: str = "") -> Fault:
        token = self._token
        if token.kind == "end":
            return Fault("J065", max(token.offset - 1, 0), wanted=wanted or "...")
        return Fault("J066", token.offset, text=token.text)
