# The image that your cluster runs: journeyd, and your workspace (journeyd.yaml, journeys/, templates/, audience/).
# In the workspace: docker build -f workspace.Dockerfile -t registry.example.com/shop/journeyd:0.1.0 .
# Keep .journeyd/ out of it with a .dockerignore: it may hold keys.
FROM journeyd:0.1.0
COPY . /workspace
