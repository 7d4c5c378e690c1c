"""What touches the world: Prefect flows, the DVC driver, services and the `beholder` command."""
