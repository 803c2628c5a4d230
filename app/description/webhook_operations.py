"""Webhooks: where other systems are told what happens, and what was sent."""

from app.description.operation import PAGE, Operation, Query
from app.domain.webhooks import STATUSES
from app.routes import webhook_shapes as shapes
from app.routes.admin import MayHaveReason
from app.routes.webhooks import SecretBody, WebhookBody, WebhookChange

WEBHOOK_OPERATIONS: dict[tuple[str, str], Operation] = {
    ("/admin/webhooks", "POST"): Operation(
        "createWebhook",
        "Tell another system what happens",
        "Operators",
        "admin",
        {201: shapes.NewWebhook},
        body=WebhookBody,
        errors=(409,),
        about="Each message is signed as Standard Webhooks says, with the secret that is told this once. With a "
        "template it is a sentence for a channel of Discord or Slack.",
        example={"url": "https://example.com/hooks/scores", "events": ["top10.changed"]},
    ),
    ("/admin/webhooks", "GET"): Operation(
        "listWebhooks",
        "List the webhooks",
        "Operators",
        "admin",
        {200: shapes.WebhookRecords},
        about="All of them, the newest first, without their secrets.",
    ),
    ("/admin/webhooks/{id}", "PATCH"): Operation(
        "changeWebhook",
        "Pause a webhook, let it go on, or send elsewhere or other events",
        "Operators",
        "admin",
        {200: shapes.WebhookRecord},
        body=WebhookChange,
        errors=(404,),
        about="While it is paused what happens waits: every held action and suspension, and the newest state of each "
        "board. What waits goes to a new address at once, and what waits of events that are gone is dropped.",
        example={"paused": True},
    ),
    ("/admin/webhooks/{id}/secret", "POST"): Operation(
        "rotateWebhookSecret",
        "Give a webhook a new secret",
        "Operators",
        "admin",
        {200: shapes.RotatedWebhook},
        body=SecretBody,
        or_nothing=True,
        errors=(404, 409),
        about="The secret is told this once. The old one signs as well for 24 hours, unless `keepOld` is false.",
        example={"reason": "the yearly change"},
    ),
    ("/admin/webhooks/{id}", "DELETE"): Operation(
        "deleteWebhook",
        "Delete a webhook",
        "Operators",
        "admin",
        {204: None},
        body=MayHaveReason,
        or_nothing=True,
        errors=(404,),
        about="With what waits for it.",
    ),
    ("/admin/webhooks/{id}/test", "POST"): Operation(
        "testWebhook",
        "Send a webhook a test",
        "Operators",
        "admin",
        {202: shapes.DeliveryRecord},
        body=MayHaveReason,
        or_nothing=True,
        errors=(404,),
        about="A message `webhook.test`; look at the deliveries for what became of it.",
    ),
    ("/admin/webhooks/{id}/deliveries", "GET"): Operation(
        "listDeliveries",
        "List what was sent to a webhook, or is to be",
        "Operators",
        "admin",
        {200: shapes.DeliveryRecords},
        query={
            "status": Query({"enum": list(STATUSES)}, "Only these."),
            "limit": PAGE["limit"],
            "cursor": Query({"type": "string", "pattern": "^[0-9]{1,18}$"}, "`nextCursor` of the page before."),
        },
        errors=(400, 404),
        about="Newest first; what was delivered or given up for a week, of `top10.changed` for an hour.",
    ),
    ("/admin/webhooks/{id}/deliveries/{delivery_id}/repeat", "POST"): Operation(
        "repeatDelivery",
        "Send a message once more",
        "Operators",
        "admin",
        {200: shapes.DeliveryRecord},
        body=MayHaveReason,
        or_nothing=True,
        errors=(404, 409),
        about="With the id that it has, by which the receiver may know it.",
    ),
}
