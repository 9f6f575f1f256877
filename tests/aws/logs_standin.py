"""CloudWatch Logs with what emulators lack: `estimate` and `stats`, queries that take their time, StopQuery that knows
an ended query, all seven statuses, pages that are empty, newest-first search. Query texts are run, not recognised."""
import datetime
import re
import uuid

from model import Refused, StandIn, serve

ENDED = ("Complete", "Failed", "Cancelled", "Timeout")


class Logs(StandIn):
    service = "logs"

    def __init__(self):
        super().__init__()
        self.queries = {}

    def events(self, group):
        """[{"group", "stream", "at_ms", "text"}], as scripted."""
        if group not in self.script.get("groups", []):
            raise Refused("ResourceNotFoundException", f"The specified log group does not exist: {group}")
        return sorted((e for e in self.script.get("events", []) if e["group"] == group), key=lambda e: e["at_ms"])

    def DescribeLogGroups(self, request):
        names = sorted(n for n in self.script.get("groups", []) if n.startswith(request.get("logGroupNamePrefix", "")))
        return {"logGroups": [{"logGroupName": n, "storedBytes": 1, "creationTime": 0} for n in names[: request.get("limit", 50)]]}

    def FilterLogEvents(self, request):
        events = [e for e in self.events(request["logGroupName"]) if request["startTime"] <= e["at_ms"] <= request["endTime"]]
        pattern = request.get("filterPattern", "")
        if pattern:
            if len(pattern) < 2 or pattern[0] != '"' or pattern[-1] != '"':
                raise Refused("InvalidParameterException", "this stand-in knows one quoted term")
            term = re.sub(r"\\(.)", r"\1", pattern[1:-1])
            events = [e for e in events if term in e["text"]]
        if not request.get("startFromHead", True):
            events.reverse()
        # Every odd page is empty, as real ones are while AWS searches on.
        at, empty = (int(x) for x in request.get("nextToken", "0-1").split("-"))
        size = 0 if empty and self.script.get("empty_pages") else min(request.get("limit", 10_000), self.script.get("page", 10_000))
        page = events[at : at + size]
        answer = {"events": [{"logStreamName": e["stream"], "timestamp": e["at_ms"], "message": e["text"], "eventId": str(e["at_ms"])} for e in page]}
        if at + size < len(events):
            answer["nextToken"] = f"{at + size}-{1 - empty}"
        return answer

    def StartQuery(self, request):
        group = request["logGroupNames"][0]
        seconds = lambda e: request["startTime"] <= e["at_ms"] // 1000 <= request["endTime"]
        rows = run(request["queryString"], [e for e in self.events(group) if seconds(e)], self.script)
        query_id = str(uuid.uuid4())
        estimating = request["queryString"].rstrip().endswith("estimate")
        statuses = ["Complete"] if estimating else list(self.script.get("statuses", ["Scheduled", "Running", "Complete"]))
        self.queries[query_id] = {"rows": rows, "statuses": statuses}
        return {"queryId": query_id}

    def query(self, query_id):
        if query_id not in self.queries:
            raise Refused("ResourceNotFoundException", "The specified query id does not exist")
        return self.queries[query_id]

    def GetQueryResults(self, request):
        query = self.query(request["queryId"])
        status = query["statuses"].pop(0) if len(query["statuses"]) > 1 else query["statuses"][0]
        rows = query["rows"] if status == "Complete" else [] if status == "Scheduled" else query["rows"][: self.script.get("partial", 0)]
        results = [[{"field": name, "value": value} for name, value in row.items()] for row in rows]
        return {"results": results, "status": status, "statistics": {"bytesScanned": 2e9, "recordsMatched": float(len(rows)), "recordsScanned": 1000.0}}

    def StopQuery(self, request):
        query = self.query(request["queryId"])
        if query["statuses"][0] in ENDED and len(query["statuses"]) == 1:
            raise Refused("InvalidParameterException", "Query is not in a state that can be stopped")
        query["statuses"] = ["Cancelled"]
        return {"success": True}


def run(text, events, script):
    """The part of the Logs Insights language that our fixed texts use; anything else is a malformed query."""
    rows = [{"@message": e["text"], "@timestamp": e["at_ms"]} for e in events]
    for command in re.split(r"\n\s*\|\s*", text.strip()):
        word, _, rest = command.partition(" ")
        if word == "fields":
            if not re.fullmatch(r"@timestamp, @message", rest):
                malformed(command)
        elif word == "filter":
            pattern = re.fullmatch(r"@message like /(.*)/", rest) or malformed(command)
            rows = [row for row in rows if re.search(insights_regex(pattern[1]), row["@message"])]
        elif word == "parse":
            pattern = re.fullmatch(r"@message /(.*)/", rest) or malformed(command)
            for row in rows:
                found = re.search(insights_regex(pattern[1]), row["@message"])
                row.update(found.groupdict() if found else {})
        elif word == "stats":
            rows = stats(rest, rows)
        elif word == "sort":
            field = (re.fullmatch(r"(\w+) desc", rest) or malformed(command))[1]
            rows.sort(key=lambda row: float(row[field]), reverse=True)
        elif word == "limit":
            rows = rows[: int(rest)]
        elif command == "estimate":
            return script.get("estimate", [{"estimatedBytes": "2000000000"}])
        else:
            malformed(command)
    return [{name: str(value) for name, value in row.items()} for row in rows]


def stats(rest, rows):
    aggregates, _, by = rest.partition(" by ")
    by, groups = by.split(", "), {}
    for row in rows:
        groups.setdefault(tuple(row.get(name, "") for name in by), []).append(row)
    out = []
    for key, members in groups.items():
        result = dict(zip(by, key))
        for aggregate in aggregates.split(", "):
            function, field, name = (re.fullmatch(r"(\w+)\((\*|@\w+)\) as (\w+)", aggregate) or malformed(aggregate)).groups()
            if function == "count":
                result[name] = str(len(members))
            else:
                at = {"min": min, "max": max}[function](row[field] for row in members)
                result[name] = datetime.datetime.fromtimestamp(at / 1000, datetime.timezone.utc).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
        out.append(result)
    return out


def insights_regex(text):
    return text.replace("(?<", "(?P<")


def malformed(command):
    raise Refused("MalformedQueryException", f"unexpected symbol found in '{command}'")


if __name__ == "__main__":
    serve(Logs())
