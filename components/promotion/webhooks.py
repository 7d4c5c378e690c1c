"""The webhook by which MLflow tells our worker what somebody wrote on a version."""

import logging

from components.promotion.store import Store

NAME = "beholder-worker"

log = logging.getLogger(__name__)


def ensure_webhook(store: Store, url: str, secret: str) -> None:
    """Let a store's server tell `url` of every tag set on a version, signed with `secret`.

    One that was registered for another address or secret is put right. Safe to repeat.
    """
    from mlflow.entities.webhook import WebhookAction, WebhookEntity, WebhookEvent

    events = [WebhookEvent(WebhookEntity.MODEL_VERSION_TAG, WebhookAction.SET)]
    known = store.ask("list webhooks", lambda client: list(client.list_webhooks(max_results=100)))
    found = next((hook for hook in known if hook.name == NAME), None)
    if found is None:
        store.ask(
            "create the webhook",
            lambda client: client.create_webhook(NAME, url, events, secret=secret),
        )
    else:
        # Also where the address is the same: the secret of a store is not to be read back.
        store.ask(
            "update the webhook",
            lambda client: client.update_webhook(
                found.webhook_id, url=url, events=events, secret=secret
            ),
        )
    log.info("webhook registered url=%s", url)
