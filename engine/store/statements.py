"""Reads `.sql` files of named statements, each described. Every store loads its own with it, in `queries.py`."""


def load(text: str) -> dict[str, str]:
    r"""Return name -> statement of a file of `-- name: x` blocks; raises `ValueError` for a block with no description.

    >>> load("-- name: one\n-- Gives one.\nSELECT 1;\n")
    {'one': 'SELECT 1;'}
    """
    statements: dict[str, str] = {}
    for block in text.split("-- name: ")[1:]:
        name, _, rest = block.partition("\n")
        lines = rest.splitlines()
        body = "\n".join(line for line in lines if line and not line.startswith("--"))
        if not lines[0].startswith("-- ") or not body or name in statements:
            raise ValueError(f"statement {name!r} is not described, empty, or there twice")
        statements[name.strip()] = body
    return statements
