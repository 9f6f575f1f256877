"""What the stand-ins say, by scenario: for each vendor a list of pieces, each sent as soon as it is reached.

A piece is bytes; CUT ends the connection without a last word, STALL says nothing more, and FLOOD repeats the piece before
it for ever.
"""

from forms import of_anthropic, of_bedrock, of_openai, sse

CUT, STALL, FLOOD = "cut", "stall", "flood"

WORDS = ["Hel", "lo"]
CALLS = [("call-a", "db__overview", '{"x": 1}'), ("call-b", "db__sessions", "{}")]
HALF = 4


def anthropic(scenario, words=WORDS):
    start = of_anthropic({"type": "message_start", "message": {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [], "stop_reason": None,
        "stop_sequence": None, "usage": {"input_tokens": 11, "output_tokens": 1}}})
    ping = sse('{"type": "ping"}', "ping")

    def text(word):
        return of_anthropic({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": word}})

    def end(reason):
        return [of_anthropic({"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None},
                              "usage": {"output_tokens": 7}}), of_anthropic({"type": "message_stop"})]

    opened = [start, ping, of_anthropic({"type": "content_block_start", "index": 0,
                                         "content_block": {"type": "text", "text": ""}})]
    closed = [of_anthropic({"type": "content_block_stop", "index": 0})]
    said = [text(word) for word in words]
    if scenario == "tools":
        pieces = [start]
        for index, (name_id, name, arguments) in enumerate(CALLS):
            block = {"type": "tool_use", "id": name_id, "name": name, "input": {}}
            pieces.append(of_anthropic({"type": "content_block_start", "index": index, "content_block": block}))
            for part in (arguments[:HALF], arguments[HALF:]):
                delta = {"type": "input_json_delta", "partial_json": part}
                pieces.append(of_anthropic({"type": "content_block_delta", "index": index, "delta": delta}))
            pieces.append(of_anthropic({"type": "content_block_stop", "index": index}))
        return pieces + end("tool_use")
    ways = {
        "plain": opened + said + closed + end("end_turn"),
        "refusal": opened + said[:1] + closed + end("refusal"),
        "cut_off": opened + said[:1] + closed + end("max_tokens"),
        "cut": opened + said[:1] + [CUT],
        "unended": opened + said + closed,
        "stalled": opened + said[:1] + [STALL],
        "malformed": opened + [sse('{"type": "content_block_delta", "delta"', "content_block_delta")],
        "flood": opened + [text("x" * 200), FLOOD],
        "flood_line": opened + [b"data: ", b"x" * 4096, FLOOD],
        "error_event": opened + [sse('{"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}', "error")],
    }
    return ways[scenario]


def openai(scenario):
    role = of_openai({"role": "assistant", "content": ""})
    said = [of_openai({"content": word}) for word in WORDS]

    def end(reason, usage=True):
        used = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
        return [of_openai({}, finish=reason), of_openai({}, usage=used, choices=False), sse("[DONE]")]

    if scenario == "tools":
        pieces = [role]
        for index, (name_id, name, _) in enumerate(CALLS):
            first = {"index": index, "id": name_id, "type": "function", "function": {"name": name, "arguments": ""}}
            pieces.append(of_openai({"tool_calls": [first]}))
        # The parts of both come mixed, and name only the index.
        for cut in (slice(0, HALF), slice(HALF, None)):
            for index, (_, _, arguments) in enumerate(CALLS):
                part = {"index": index, "function": {"arguments": arguments[cut]}}
                pieces.append(of_openai({"tool_calls": [part]}))
        return pieces + end("tool_calls")
    huge = {"index": 4_000_000_000, "id": "call-a", "type": "function", "function": {"name": "db__overview", "arguments": "{}"}}
    ways = {
        "plain": [role] + said + end("stop"),
        "refusal": [role, of_openai({"refusal": "I will not."})] + end("stop"),
        "filtered": [role] + said[:1] + end("content_filter"),
        "cut_off": [role] + said[:1] + end("length"),
        "cut": [role] + said[:1] + [CUT],
        "unended": [role] + said,
        "stalled": [role] + said[:1] + [STALL],
        "malformed": [role, sse('{"choices": [')],
        "flood": [role, of_openai({"content": "x" * 200}), FLOOD],
        "flood_line": [role, b"data: ", b"x" * 4096, FLOOD],
        "error_event": [role, sse('{"error": {"message": "sk-secret", "type": "server_error"}}')],
        "huge_index": [role, of_openai({"tool_calls": [huge]})] + end("tool_calls"),
    }
    return ways[scenario]


def bedrock(scenario):
    start = of_bedrock("messageStart", {"role": "assistant"})

    def text(word):
        return of_bedrock("contentBlockDelta", {"delta": {"text": word}, "contentBlockIndex": 0})

    def end(reason):
        usage = {"inputTokens": 11, "outputTokens": 7, "totalTokens": 18}
        return [of_bedrock("messageStop", {"stopReason": reason}),
                of_bedrock("metadata", {"usage": usage, "metrics": {"latencyMs": 3}})]

    closed = [of_bedrock("contentBlockStop", {"contentBlockIndex": 0})]
    said = [text(word) for word in WORDS]
    if scenario == "tools":
        pieces = [start]
        for index, (name_id, name, arguments) in enumerate(CALLS):
            begun = {"start": {"toolUse": {"toolUseId": name_id, "name": name}}, "contentBlockIndex": index}
            pieces.append(of_bedrock("contentBlockStart", begun))
            for part in (arguments[:HALF], arguments[HALF:]):
                delta = {"delta": {"toolUse": {"input": part}}, "contentBlockIndex": index}
                pieces.append(of_bedrock("contentBlockDelta", delta))
            pieces.append(of_bedrock("contentBlockStop", {"contentBlockIndex": index}))
        return pieces + end("tool_use")
    ways = {
        "plain": [start] + said + closed + end("end_turn"),
        "refusal": [start] + said[:1] + closed + end("content_filtered"),
        "filtered": [start] + said[:1] + closed + end("guardrail_intervened"),
        "cut_off": [start] + said[:1] + closed + end("max_tokens"),
        "cut": [start] + said[:1] + [CUT],
        "unended": [start] + said + closed,
        "stalled": [start] + said[:1] + [STALL],
        "malformed": [start, said[0][:-4] + b"\0\0\0\0"],
        "flood": [start, text("x" * 200), FLOOD],
        # A frame that is announced longer than any may be.
        "flood_line": [start, b"\x7f\xff\xff\xff", b"x" * 4096, FLOOD],
        "error_event": [start, of_bedrock("throttlingException", {"message": "sk-secret"}, exception=True)],
    }
    return ways[scenario]


VENDORS = {"anthropic": anthropic, "openai": openai, "bedrock": bedrock}

# Refusals at the door: status, headers, body. A service may repeat what it was sent.
DOOR = {
    "throttled": (429, {"retry-after": "7"}, lambda key: {"error": {"type": "rate_limit_error", "message": "slow down"}}),
    "overloaded": (529, {}, lambda key: {"error": {"type": "overloaded_error", "message": "Overloaded"}}),
    "failed": (500, {}, lambda key: {"error": {"type": "api_error", "message": "oops"}}),
    "unauthorized": (401, {}, lambda key: {"error": {"type": "authentication_error", "message": f"bad key {key}"}}),
    "moved": (307, {"location": "http://127.0.0.1:9/"}, lambda key: {}),
}
