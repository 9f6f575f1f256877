"""Puts what the gate sent before the vendors' own packages: Slack's Block Kit classes and signature, PagerDuty's client."""

import inspect
import json
import sys

from pagerduty import EventsApiV2Client
from slack_bolt.request.internals import extract_team_id, extract_user_id
from slack_sdk.models import JsonObject
from slack_sdk.models.blocks import Block
from slack_sdk.signature import SignatureVerifier
from slack_sdk.web import WebClient

faults, checked = [], {"slack": 0, "pagerduty": 0, "teams": 0}


def validate(value):
    """Runs every validator of every object inside: the package itself checks only the outermost."""
    if isinstance(value, JsonObject):
        value.validate_json()
        for inner in vars(value).values():
            validate(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            validate(inner)


def same(path, ours, theirs):
    if ours != theirs:
        faults.append(f"{path}: sent {json.dumps(ours)[:2000]}, the package would send {json.dumps(theirs)[:2000]}")


class Recorder(Exception):
    def __init__(self, body):
        self.body = body


class Slack(WebClient):
    """Builds the call as the package does, and sends nothing."""

    def api_call(self, api_method, *, http_verb="POST", files=None, data=None, params=None, json=None, **_):
        raise Recorder(json if json is not None else {**(data or {}), **(params or {})})


def slack(path, body):
    blocks = Block.parse_all(body["blocks"])
    if len(blocks) != len(body["blocks"]) or any(type(block) is Block for block in blocks):
        faults.append(f"{path}: a block that the package does not know")
    validate(blocks)
    # A key that the package does not know is not in what it gives back.
    same(path, body["blocks"], [block.to_dict() for block in blocks])
    method = {"postMessage": Slack().chat_postMessage, "update": Slack().chat_update}[path.rsplit(".", 1)[1]]
    unknown = set(body) - set(inspect.signature(method).parameters)
    if unknown:
        faults.append(f"{path}: {unknown} mean nothing there")
    try:
        method(**body)
    except Recorder as call:
        same(path, body, {key: value for key, value in call.body.items() if value is not None})


class PagerDuty(EventsApiV2Client):
    def post(self, path, json=None, **_):
        raise Recorder(json)


def pagerduty(path, body):
    body = dict(body)
    client = PagerDuty(body.pop("routing_key"))
    try:
        if body["event_action"] == "trigger":
            payload = body["payload"]
            client.send_event(
                "trigger", dedup_key=body["dedup_key"], payload=payload, links=body["links"],
                client=body["client"], client_url=body["client_url"],
            )
        else:
            client.resolve(body["dedup_key"])
    except Recorder as call:
        same(path, body, call.body)
    if len(body["dedup_key"]) > 255 or len(body.get("payload", {}).get("summary", "")) > 1024:
        faults.append(f"{path}: too long")


def teams(path, body):
    card = body["attachments"][0]
    if card["contentType"] != "application/vnd.microsoft.card.adaptive" or card["content"]["type"] != "AdaptiveCard":
        faults.append(f"{path}: no Adaptive Card")


def judge(sent):
    path, body = sent["path"], sent["body"]
    kinds = {"/api/chat.": ("slack", slack), "/v2/enqueue": ("pagerduty", pagerduty), "/teams/": ("teams", teams)}
    for prefix, (kind, look) in kinds.items():
        if path.startswith(prefix):
            checked[kind] += 1
            try:
                look(path, body)
            except Exception as error:
                faults.append(f"{path}: {type(error).__name__}: {error}")


question = json.load(sys.stdin)
for sent in question["sent"]:
    judge(sent)

# Each of these must be objected to, or the check sees nothing.
found, overlooked, faults = faults, [], []
for wrong in question["wrong"]:
    before = len(faults)
    judge(wrong)
    if len(faults) == before:
        overlooked.append(wrong["what"])
faults = found

click, sign = question["click"], question["sign"]
# The stand-in's click is one to Slack's own framework: it finds team and user where the gate finds them.
same("click", [click["user"]["team_id"], click["user"]["id"]], [extract_team_id(click), extract_user_id(click)])
signature = SignatureVerifier(sign["secret"]).generate_signature(timestamp=sign["timestamp"], body=sign["body"])
json.dump({"faults": faults, "overlooked": overlooked, "checked": checked, "signature": signature}, sys.stdout)
