"""Every route of the endpoint, and the scope that a key must have to ask there."""

OPEN = "open"

# A path ends in /* where everything below it is the same.
ROUTES: dict[str, str] = {
    # Probes, which ask without a key; and which model answers, which is no secret to them.
    "/livez": OPEN,
    "/healthz": OPEN,
    "/readyz": OPEN,
    "/model": OPEN,
    # The page itself holds no data: what it asks, it asks with a key.
    "/": OPEN,
    "/static_content/*": OPEN,
    "/recommend": "recommend",
    "/recommend_by_image": "recommend",
    "/similar": "recommend",
    "/predict_rating": "recommend",
    "/predict_rating_by_image": "recommend",
    "/feedback": "feedback",
    # How the endpoint is doing and what it is made of.
    "/metrics": "operate",
    "/docs.json": "operate",
    "/schema.json": "operate",
}

# What is in no table is for nobody but whoever runs the endpoint.
_ELSE = "operate"


def scope_of(path: str) -> str:
    """Return the scope that a path asks for, OPEN where it asks for none."""
    exact = ROUTES.get(path)
    if exact is not None:
        return exact
    for pattern, scope in ROUTES.items():
        if pattern.endswith("/*") and path.startswith(pattern[:-1]):
            return scope
        if "{" in pattern and _fits(path, pattern):
            return scope
    return _ELSE


def _fits(path: str, pattern: str) -> bool:
    """Whether a path has a pattern's parts, a part in braces being anything."""
    parts, wanted = path.split("/"), pattern.split("/")
    return len(parts) == len(wanted) and all(
        want.startswith("{") or part == want for part, want in zip(parts, wanted, strict=True)
    )
