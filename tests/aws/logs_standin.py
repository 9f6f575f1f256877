"""CloudWatch Logs with what emulators lack: `estimate`, `stats` and `pattern`, queries that take their time, StopQuery that knows
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
        self.records = {}

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
        text, language = request["queryString"], request.get("queryLanguage", "CWLI")
        named = request.get("logGroupNames")
        if (language == "SQL") == (named is not None):
            raise Refused("InvalidParameterException", "SQL names its log groups in its text, other languages in the request")
        groups = named if named is not None else re.findall(r"(?:FROM|JOIN) `([^`]*)`", text, re.I)
        seconds = lambda e: request["startTime"] <= e["at_ms"] // 1000 <= request["endTime"]
        events = [e for group in groups for e in self.events(group) if seconds(e)]
        rows = self.run(text, events) if language == "CWLI" else [{"@message": e["text"]} for e in events]
        query_id = str(uuid.uuid4())
        estimating = text.rstrip().endswith("estimate")
        statuses = ["Complete"] if estimating else list(self.script.get("statuses", ["Scheduled", "Running", "Complete"]))
        self.queries[query_id] = {"rows": rows, "statuses": statuses, "groups": groups}
        return {"queryId": query_id}

    def run(self, text, events):
        rows = []
        for event in events:
            pointer = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{event['at_ms']} {event['stream']} {event['text']}"))
            self.records[pointer] = event
            # As the real service does, rows hold the beginning of a long line only; filters and parse see all of it.
            row = {"@message": event["text"], "@timestamp": event["at_ms"], "@logStream": event["stream"], "@ptr": pointer}
            rows.append(row)
        rows = run(text, rows, self.script)
        return [{name: value[:1000] if name == "@message" else value for name, value in row.items()} for row in rows]

    def ListLogGroupsForQuery(self, request):
        query = self.query(request["queryId"])
        return {"logGroupIdentifiers": self.script.get("groups_read") or query["groups"]}

    def GetLogRecord(self, request):
        event = self.records.get(request["logRecordPointer"])
        if event is None:
            raise Refused("ResourceNotFoundException", "The specified log record does not exist")
        record = {"@message": event["text"], "@timestamp": str(event["at_ms"]), "@logStream": event["stream"], "@log": f"123456789012:{event['group']}"}
        record.update(self.script.get("record", {}))
        return {"logRecord": {name: value for name, value in record.items() if value}}

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


def run(text, rows, script):
    """The part of the Logs Insights language that our fixed texts use; anything else is a malformed query."""
    aggregated, fields = False, []
    for command in re.split(r"\n\s*\|\s*", text.strip()):
        word, _, rest = command.partition(" ")
        if word == "fields":
            for field in re.split(r", (?![^(]*\))", rest):
                late = re.fullmatch(r'strcontains\(@message, "([^"]*)"\) as (\w+)', field)
                if late:
                    for row in rows:
                        row[late[2]] = int(late[1] in row["@message"])
                elif field not in ("@timestamp", "@message", "@logStream"):
                    malformed(command)
                fields.append(late[2] if late else field)
        elif word == "filter":
            pattern = re.fullmatch(r"@message like /(.*)/", rest)
            number = re.fullmatch(r"(\w+) >= (\d+)", rest)
            if pattern:
                rows = [row for row in rows if re.search(insights_regex(pattern[1]), row["@message"])]
            elif number:
                rows = [row for row in rows if float(row.get(number[1], "nan")) >= float(number[2])]
            else:
                malformed(command)
        elif word == "parse":
            pattern = re.fullmatch(r"@message /(.*)/", rest) or malformed(command)
            for row in rows:
                found = re.search(insights_regex(pattern[1]), row["@message"])
                row.update({name: value for name, value in found.groupdict().items() if value is not None} if found else {})
                fields += [name for name in re.compile(insights_regex(pattern[1])).groupindex if name not in fields]
        elif word == "stats":
            rows, aggregated = stats(rest, rows), True
        elif word == "pattern":
            rows, aggregated = patterns(rows), True
        elif word == "sort":
            for key in reversed(rest.split(", ")):
                field, order = (re.fullmatch(r"(@?\w+) (asc|desc)", key) or malformed(command)).groups()
                rows.sort(key=lambda row: float(row.get(field, 0)), reverse=order == "desc")
        elif word == "limit":
            rows = rows[: int(rest)]
        elif command == "estimate":
            return script.get("estimate", [{"estimatedBytes": "2000000000"}])
        else:
            malformed(command, text)
    if not aggregated:
        rows = [{name: row[name] for name in (*fields, "@ptr") if name in row} for row in rows]
    shown = lambda name, value: at(value) if name == "@timestamp" else str(value)
    return [{name: shown(name, value) for name, value in row.items()} for row in rows]


def at(ms):
    return datetime.datetime.fromtimestamp(ms / 1000, datetime.timezone.utc).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def patterns(rows):
    """What lines share: numbers become `<*>`."""
    counts = {}
    for row in rows:
        pattern = re.sub(r"(?<!\w)\d+(?:[-:.]\d+)*(?!\w)", "<*>", row["@message"])
        counts[pattern] = counts.get(pattern, 0) + 1
    severity = lambda text: (re.search(r"\]:([A-Z]+):", text) or [None, "NONE"])[1]
    return [
        {"@pattern": text, "@sampleCount": str(n), "@ratio": str(n / len(rows)), "@severityLabel": severity(text)}
        for text, n in counts.items()
    ]


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
                result[name] = at({"min": min, "max": max}[function](row[field] for row in members))
        out.append(result)
    return out


def insights_regex(text):
    return text.replace("(?<", "(?P<")


def malformed(command, text=None):
    place = {}
    if text and command in text:
        start = text.index(command)
        location = {"startCharOffset": start, "endCharOffset": start + len(command) - 1}
        place = {"queryCompileError": {"location": location, "message": "unexpected symbol"}}
    raise Refused("MalformedQueryException", f"unexpected symbol found in '{command}'", **place)


if __name__ == "__main__":
    serve(Logs())
