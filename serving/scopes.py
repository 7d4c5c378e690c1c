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
    "/page/*": OPEN,
    "/api": OPEN,
    "/static_content/*": OPEN,
    # The routes and their forms: no data either (items are named where no key is asked
    # for), and the page at /api is made of it.
    "/docs.json": OPEN,
    "/items": "recommend",
    "/items/*": "recommend",
    "/explain": "recommend",
    "/recommend": "recommend",
    "/recommend_by_image": "recommend",
    "/similar": "recommend",
    "/predict_rating": "recommend",
    "/predict_rating_by_image": "recommend",
    "/feedback": "feedback",
    # How the endpoint is doing and what it is made of.
    "/metrics": "operate",
    "/schema.json": "operate",
}

# What is in no table is for nobody but whoever runs the endpoint.
_ELSE = "operate"


def scope_of(path: str) -> str:
    """Return the scope that a path asks for, OPEN where it asks for none."""
    return find_scope(path) or _ELSE


def find_scope(path: str) -> str | None:
    """Return the scope that the table names for a path, None where it names none."""
    exact = ROUTES.get(path)
    if exact is not None:
        return exact
    below = (scope for route, scope in ROUTES.items() if is_below(path, route))
    return next(below, None)


def is_below(path: str, route: str) -> bool:
    """Whether a route ends in /* and a path lies below it."""
    return route.endswith("/*") and path.startswith(route[:-1])
