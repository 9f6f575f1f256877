"""A model that plays the five agents by a script, over whatever evidence it is shown: the first plan treats a client that does
no harm, the reviewer objects, the planner thinks again, and the cost agent cannot be satisfied.
"""

import json
import re

BLOCK = re.compile(r"<(\w+)([^>]*)>\n(.*?)\n</\1>", re.DOTALL)
HARMLESS, RIGHT = "connection-saturation", "idle-in-transaction-blocker"
# What a test looks for on the approval page.
UNANSWERED = "whoever waits for this session loses its work a second time"


def reply(body):
    """The answer to an Anthropic request, as text."""
    agent = re.search(r"You are the (?:(\w+) agent|planner|reviewer)", words(body["system"])).group(0).split()[3]
    blocks = [(name, dict(re.findall(r'(\w+)="([^"]*)"', about)), json.loads(text))
              for name, about, text in BLOCK.findall(words(body["messages"][0]["content"]))]
    return json.dumps(AGENTS[agent](blocks))


def words(content):
    return content if isinstance(content, str) else "".join(block["text"] for block in content)


def diagnosis(blocks):
    told = {about["tool"]: (about["id"], result) for _, about, result in blocks if about.get("server") == "postgres-readonly"}
    (tree, _), (sessions, seen) = told["blocking_tree"], told["sessions"]
    idle = next(at for at, group in enumerate(seen["connections"]["groups"]) if group["idle"] and group["usename"])

    def hypothesis(cause, sure, evidence, part, pointer):
        return {"root_cause": cause, "confidence_pct": sure, "explanation": "By a script.", "signals_against": [],
                "signals_for": [{"says": "it stands there", "evidence": evidence}],
                "objects": [{"part": part, "evidence": evidence, "pointer": pointer}]}

    return {"rejected": [], "hypotheses": [
        hypothesis("idle_in_transaction_blocker", 80, tree, "blocker", "/trees/0/root"),
        hypothesis("connection_saturation", 60, sessions, "client", f"/connections/groups/{idle}")]}


def planner(blocks):
    briefing = blocks[0][2]
    wanted = RIGHT if "objections" in briefing else HARMLESS
    runbook = next(runbook for runbook in briefing["runbooks"] if runbook["runbook"] == wanted)
    cause = next(one for one in briefing["hypotheses"] if one["root_cause"] == runbook["root_cause"])
    where = cause["objects"][0]
    index = re.search(r"/(\d+)(?:/|$)", where["pointer"]).group(1)
    parameters = [{"name": one["name"], "evidence": where["evidence"], "pointer": one["pointer"].replace("*", index)}
                  for one in runbook["parameters"]]
    return {"action": "plan", "runbook": wanted, "version": runbook["version"], "parameters": parameters}


def opinion(verdict, says):
    return {"verdict": verdict, "reasons": [{"says": says, "cites": ["/steps/0"]}]}


def reviewer(blocks):
    plan = next(block for name, _, block in blocks if name == "plan")
    if plan["runbook"]["id"] == HARMLESS:
        return opinion("object", "this client blocks nobody")
    return opinion("support", "it ends the wait at its root")


AGENTS = {
    "diagnosis": diagnosis,
    "planner": planner,
    "cost": lambda _: opinion("object", UNANSWERED),
    "security": lambda _: opinion("support", "each value is evidenced"),
    "reviewer": reviewer,
}
