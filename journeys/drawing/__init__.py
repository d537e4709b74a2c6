"""A plan as a tree, a Mermaid flowchart and an SVG, with figures. Called by `journeyd diagram` and `explain`."""
