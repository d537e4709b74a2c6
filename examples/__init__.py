"""Examples to run: `python -m examples.demo`. Nothing in the product imports them."""
