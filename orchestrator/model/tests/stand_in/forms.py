"""What the vendors publish of their own protocols: requests are held against it, and answers are made of it."""

import json
import struct
import sys
import typing
import zlib
from collections.abc import Iterator

import anthropic.types as claude
import botocore.session
from anthropic._constants import ANTHROPIC_API_VERSION as ANTHROPIC_VERSION
from anthropic.types.message_create_params import MessageCreateParamsStreaming
from botocore.validate import ParamValidator
from openai.types.chat import ChatCompletionChunk
from openai.types.chat.completion_create_params import CompletionCreateParamsStreaming
from pydantic import ConfigDict, TypeAdapter

BEDROCK = botocore.session.get_session().get_service_model("bedrock-runtime")
STREAM = BEDROCK.operation_model("ConverseStream")
EVENTS = BEDROCK.shape_for("ConverseStreamOutput").members


def strict(form):
    """The form, and every form within it, with no key beyond those that are published."""
    for name, module in list(sys.modules.items()):
        if name.split(".")[0] in ("anthropic", "openai"):
            for part in list(vars(module).values()):
                if typing.is_typeddict(part):
                    part.__pydantic_config__ = ConfigDict(extra="forbid")
    return TypeAdapter(form)


CLAUDE = strict(MessageCreateParamsStreaming)
OPENAI = strict(CompletionCreateParamsStreaming)


def exhaust(value):
    """Lists are validated while they are read."""
    if isinstance(value, dict):
        return {key: exhaust(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)) or isinstance(value, Iterator) or type(value).__name__ == "ValidatorIterator":
        return [exhaust(item) for item in value]
    return value


def check_anthropic(body):
    exhaust(CLAUDE.validate_python(body))


def check_openai(body):
    exhaust(OPENAI.validate_python(body))


def check_bedrock(body, model):
    report = ParamValidator().validate({**body, "modelId": model}, STREAM.input_shape)
    if report.has_errors():
        raise ValueError(report.generate_report())


def sse(data, event=None):
    head = f"event: {event}\n" if event else ""
    return f"{head}data: {data}\n\n".encode()


def of_anthropic(event):
    """One event of the stream, through the SDK's own type."""
    made = TypeAdapter(claude.RawMessageStreamEvent).validate_python(event)
    return sse(made.model_dump_json(exclude_unset=True), made.type)


def of_openai(delta, finish=None, usage=None, choices=True):
    choice = [{"index": 0, "delta": delta, "finish_reason": finish}] if choices else []
    chunk = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choice}
    made = ChatCompletionChunk.model_validate({**chunk, "usage": usage})
    return sse(made.model_dump_json(exclude_unset=True))


def of_bedrock(kind, payload, exception=False):
    """One frame of AWS's event stream; the payload fits the published shape of its kind."""
    if not exception:
        report = ParamValidator().validate(payload, EVENTS[kind])
        if report.has_errors():
            raise ValueError(report.generate_report())
    kinds = {":exception-type": kind} if exception else {":event-type": kind}
    headers = {**kinds, ":content-type": "application/json", ":message-type": "exception" if exception else "event"}
    return frame(headers, json.dumps(payload).encode())


def frame(headers, payload):
    packed = b""
    for name, value in headers.items():
        packed += struct.pack("!B", len(name)) + name.encode() + struct.pack("!BH", 7, len(value)) + value.encode()
    prelude = struct.pack("!II", 16 + len(packed) + len(payload), len(packed))
    message = prelude + struct.pack("!I", zlib.crc32(prelude)) + packed + payload
    return message + struct.pack("!I", zlib.crc32(message))
