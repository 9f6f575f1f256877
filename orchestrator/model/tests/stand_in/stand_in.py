"""Stand-ins of Anthropic's Messages, OpenAI's Chat Completions and Bedrock's ConverseStream on one port of this machine.

`stand_in.py` prints its port and serves until its stdin ends. `stand_in.py check` drives itself with the vendors' own SDKs.
The path begins with the scenario: `/<scenario>/<vendor>/…`.
"""

import json
import os
import sys
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import answers
import forms
import scripted

KEY = "sk-stand-in-1"
SEEN = {}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        _, scenario, vendor, *rest = self.path.split("/")
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        try:
            self.check(vendor, rest, body)
        except Exception as error:  # Whatever is wrong with it, it is not taken.
            print(f"{vendor} would not take this request: {error!r}\n{json.dumps(body)}", file=sys.stderr, flush=True)
            return self.door(400, {}, {"error": {"type": "invalid_request_error", "message": "see stderr"}})
        # `flaky-<anything>` fails twice, and then answers.
        name, _, rest = scenario.partition("-")
        if name == "flaky":
            SEEN[scenario] = SEEN.get(scenario, 0) + 1
            scenario = {1: "overloaded", 2: "cut"}.get(SEEN[scenario], "plain")
        if scenario == "silent":
            return self.wait()
        if scenario == "flood_error":
            return self.stream([b"x" * 4096, answers.FLOOD], status=500)
        if scenario in answers.DOOR:
            status, headers, said = answers.DOOR[scenario]
            return self.door(status, headers, said(self.key()))
        if scenario == "scripted":
            return self.stream(answers.anthropic("plain", [scripted.reply(body)]))
        self.stream(answers.VENDORS[vendor](scenario), vendor=vendor)

    def key(self):
        return self.headers.get("x-api-key") or self.headers.get("authorization", "").removeprefix("Bearer ")

    def check(self, vendor, rest, body):
        assert self.key() == KEY, "another key"
        if vendor == "anthropic":
            assert rest == ["v1", "messages"], rest
            # The version that the SDK's types describe.
            assert self.headers["anthropic-version"] == forms.ANTHROPIC_VERSION, self.headers["anthropic-version"]
            forms.check_anthropic(body)
        elif vendor == "openai":
            assert rest == ["v1", "chat", "completions"], rest
            forms.check_openai(body)
        else:
            kind, model, action = rest
            assert (kind, action) == ("model", "converse-stream"), rest
            forms.check_bedrock(body, urllib.parse.unquote(model))

    def door(self, status, headers, body):
        text = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {**headers, "content-type": "application/json", "content-length": str(len(text))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text)

    def stream(self, pieces, status=200, vendor="anthropic"):
        kind = "application/vnd.amazon.eventstream" if vendor == "bedrock" else "text/event-stream"
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        before = b""
        try:
            for piece in pieces:
                if piece == answers.CUT:
                    self.close_connection = True
                    return self.connection.shutdown(2)
                if piece == answers.STALL:
                    return self.wait()
                while piece == answers.FLOOD:
                    self.chunk(before * 16)
                self.chunk(piece)
                before = piece
            self.chunk(b"")
        except OSError:
            # The client has had enough.
            self.close_connection = True

    def chunk(self, piece):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        self.wfile.flush()

    def wait(self):
        self.close_connection = True
        self.connection.settimeout(20)
        try:
            self.connection.recv(1)
        except OSError:
            pass


def check(port):
    """The vendors' own clients read what the stand-ins say as it is meant."""
    import anthropic
    import boto3
    import botocore.config
    import botocore.exceptions
    import openai

    at = f"http://127.0.0.1:{port}"
    question = [{"role": "user", "content": "q"}]

    def claude(scenario):
        client = anthropic.Anthropic(base_url=f"{at}/{scenario}/anthropic", api_key=KEY, max_retries=0)
        with client.messages.stream(model="m", max_tokens=9, messages=question) as stream:
            return stream.get_final_message()

    message = claude("plain")
    assert (message.content[0].text, message.stop_reason, message.usage.output_tokens) == ("Hello", "end_turn", 7)
    calls = claude("tools")
    assert [(c.id, c.name, c.input) for c in calls.content] == [(i, n, json.loads(a)) for i, n, a in answers.CALLS]
    assert claude("refusal").stop_reason == "refusal" and claude("cut_off").stop_reason == "max_tokens"
    for scenario, error in [("throttled", anthropic.RateLimitError), ("unauthorized", anthropic.AuthenticationError),
                            ("overloaded", anthropic.APIStatusError), ("error_event", anthropic.APIStatusError),
                            ("cut", Exception)]:
        raises(error, claude, scenario)

    def gpt(scenario):
        client = openai.OpenAI(base_url=f"{at}/{scenario}/openai/v1", api_key=KEY, max_retries=0)
        with client.chat.completions.stream(model="m", messages=question) as stream:
            return stream.get_final_completion().choices[0]

    choice = gpt("plain")
    assert (choice.message.content, choice.finish_reason) == ("Hello", "stop")
    calls = gpt("tools").message.tool_calls
    assert [(c.id, c.function.name, c.function.arguments) for c in calls] == answers.CALLS
    assert gpt("refusal").message.refusal == "I will not."
    for scenario, error in [("throttled", openai.RateLimitError), ("failed", openai.InternalServerError),
                            ("error_event", openai.APIError), ("cut_off", openai.LengthFinishReasonError),
                            ("filtered", openai.ContentFilterFinishReasonError), ("cut", Exception)]:
        raises(error, gpt, scenario)

    os.environ["AWS_BEARER_TOKEN_BEDROCK"] = KEY
    config = botocore.config.Config(retries={"total_max_attempts": 1}, proxies={})

    def converse(scenario):
        client = boto3.client("bedrock-runtime", region_name="eu-west-1", endpoint_url=f"{at}/{scenario}/bedrock", config=config)
        messages = [{"role": "user", "content": [{"text": "q"}]}]
        return list(client.converse_stream(modelId="m", messages=messages)["stream"])

    events = converse("plain")
    said = [e["contentBlockDelta"]["delta"]["text"] for e in events if "contentBlockDelta" in e]
    assert "".join(said) == "Hello" and {"messageStop": {"stopReason": "end_turn"}} in events
    begun = [e["contentBlockStart"]["start"]["toolUse"]["name"] for e in converse("tools") if "contentBlockStart" in e]
    assert begun == [name for _, name, _ in answers.CALLS]
    for scenario, error in [("throttled", botocore.exceptions.ClientError), ("malformed", Exception),
                            ("error_event", botocore.exceptions.EventStreamError), ("cut", Exception)]:
        raises(error, converse, scenario)


def raises(error, ask, scenario):
    try:
        ask(scenario)
    except error:
        return
    raise AssertionError(f"{ask.__name__} took `{scenario}` for an answer")


def main():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    if sys.argv[1:] == ["check"]:
        return check(server.server_port)
    print(server.server_port, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
