"""A stand-in for an AWS service, made from the vendor's own published model of it.

Requests are decoded (rpc-v2-cbor or awsJson1_1) and checked against the input shape: by botocore's validator, and for
what that leaves out (enums, patterns, lengths, ranges, unknown members). Answers are checked against the output shape
by the same code before they are sent, so a wrong stand-in cannot answer. What the tests script goes in by /control.
"""
import datetime
import functools
import html
import json
import re
import ssl
import sys
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import botocore.session
import cbor2
from botocore.validate import ParamValidator


class Refused(Exception):
    def __init__(self, code, message, status=400, **members):
        super().__init__(message)
        self.code, self.message, self.status, self.members = code, message, status, members


@functools.cache
def model_of(service):
    """Reading one takes longer than answering a request."""
    return botocore.session.get_session().get_service_model(service)


class StandIn:
    """Subclasses have one method per operation (`GetResourceMetrics(self, request) -> response`)."""

    service = None
    invalid = "InvalidParameterException"

    def __init__(self):
        self.model = model_of(self.service)
        self.lock = threading.RLock()
        self.requests = []
        self.faults = []
        self.script = {}

    # What is spoken beside the service's own protocol: service by the prefix of X-Amz-Target, or of the query protocol.
    targets = {}
    query_service = None
    # Operations of the query protocol that belong to other services.
    query_services = {}

    def answer(self, operation, request, service=None):
        """An operation of another service is one of ours, named `service:Operation` in the journal."""
        model = model_of(service) if service else self.model
        method, shape = getattr(self, operation), model.operation_model(operation)
        operation = f"{service}:{operation}" if service else operation
        with self.lock:
            self.requests.append({"operation": operation, "request": request})
        time.sleep(self.script.get("delay_s", 0))
        with self.lock:
            for fault in self.faults:
                if fault["operation"] == operation and fault.get("after", 0) > 0:
                    fault["after"] -= 1
                elif fault["operation"] == operation and fault.get("times", 1) > 0:
                    fault["times"] = fault.get("times", 1) - 1
                    raise Refused(fault["code"], fault.get("message", "scripted"), fault.get("status", 400))
            problem = check(shape.input_shape, request)
            if problem:
                raise Refused(self.invalid, problem)
            response = method(request)
            problem = check(shape.output_shape, response, answer=True) if shape.output_shape else None
            if problem:
                raise AssertionError(f"the stand-in's own answer to {operation} is wrong: {problem}")
            return response


def check(shape, value, answer=False):
    """Returns what is wrong with `value`, or None.

    Lengths of strings are checked in requests only: pi's model gives 256 to strings whose answers, as the same page
    of the documentation says, have up to 500 bytes.
    """
    report = ParamValidator().validate(value, shape)
    if report.has_errors():
        return report.generate_report()
    return next((p for p in deep_check(shape, value, "") if not (answer and ": length " in p)), None)


def deep_check(shape, value, path):
    if shape.type_name == "structure":
        for name in value:
            if name not in shape.members:
                yield f"unknown member {path}.{name}"
            else:
                yield from deep_check(shape.members[name], value[name], f"{path}.{name}")
    elif shape.type_name == "list":
        yield from bounded(shape, len(value), "length", path)
        for at, item in enumerate(value):
            yield from deep_check(shape.member, item, f"{path}[{at}]")
    elif shape.type_name == "map":
        for key, item in value.items():
            yield from deep_check(shape.key, key, f"{path} key")
            yield from deep_check(shape.value, item, f"{path}.{key}")
    elif shape.type_name == "string":
        allowed = shape.metadata.get("enum")
        if allowed and value not in allowed:
            yield f"{path}: '{value}' is not one of {allowed}"
        pattern = shape.metadata.get("pattern")
        if pattern and not re.search(pattern, value, re.DOTALL):
            yield f"{path}: '{value}' does not match {pattern}"
        yield from bounded(shape, len(value), "length", path)
    elif shape.type_name in ("integer", "long", "float", "double"):
        yield from bounded(shape, value, "value", path)


def bounded(shape, value, what, path):
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if least is not None and value < float(least):
        yield f"{path}: {what} {value} is less than {least}"
    if most is not None and value > float(most):
        yield f"{path}: {what} {value} is more than {most}"


def without_nulls(value):
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [without_nulls(item) for item in value]
    return value


def plain(value):
    if isinstance(value, datetime.datetime):
        return value.timestamp()
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


def times(shape, value):
    """awsJson carries times as numbers; the validator wants to see times."""
    if shape.type_name == "timestamp":
        return datetime.datetime.fromtimestamp(value, datetime.timezone.utc) if isinstance(value, (int, float)) else value
    if shape.type_name == "structure" and isinstance(value, dict):
        return {name: times(shape.members[name], item) if name in shape.members else item for name, item in value.items()}
    if shape.type_name == "list" and isinstance(value, list):
        return [times(shape.member, item) for item in value]
    return value


def xml(value, name=""):
    """Lists are elements named after the list without its last letter, or as the service names them."""
    if isinstance(value, dict):
        return "".join(f"<{key}>{xml(item, key)}</{key}>" for key, item in value.items())
    if isinstance(value, list):
        member = {"EventCategories": "EventCategory"}.get(name, name[:-1])
        return "".join(f"<{member}>{xml(item)}</{member}>" for item in value)
    if isinstance(value, datetime.datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    if isinstance(value, bool):
        return str(value).lower()
    return html.escape(str(value))


def unflatten(shape, fields, prefix):
    """Takes what belongs to `prefix` out of the query protocol's flat fields: `Filters.Filter.1.Values.Value.1=x`."""
    if shape.type_name == "structure":
        found = {}
        for name, member in shape.members.items():
            value = unflatten(member, fields, f"{prefix}.{member.serialization.get('name', name)}".lstrip("."))
            if value is not None:
                found[name] = value
        return found if found or not prefix else None
    if shape.type_name == "list":
        item, found = shape.member.serialization.get("name", "member"), []
        while (value := unflatten(shape.member, fields, f"{prefix}.{item}.{len(found) + 1}")) is not None:
            found.append(value)
        return found or None
    if prefix not in fields:
        return None
    read = {"integer": int, "timestamp": datetime.datetime.fromisoformat, "boolean": lambda text: {"true": True, "false": False}[text]}
    return read.get(shape.type_name, str)(fields.pop(prefix))


def serve(standin):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def send(self, status, body, content_type, headers=()):
            self.send_response(status)
            for name, value in (("Content-Type", content_type), ("Content-Length", str(len(body))), *headers):
                self.send_header(name, value)
            self.end_headers()
            try:
                self.wfile.write(body)
            except BrokenPipeError:
                pass  # Whoever asked did not wait for the answer.

        def do_GET(self):
            with standin.lock:
                body = json.dumps(plain(standin.requests)).encode()
            self.send(200, body, "application/json")

        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self.path == "/control":
                with standin.lock:
                    script = json.loads(body)
                    standin.faults = script.pop("faults", standin.faults)
                    standin.script.update(script)
                return self.send(200, b"{}", "application/json")
            if body.startswith(b"Action=GetCallerIdentity") or b"&Action=GetCallerIdentity" in body:
                return self.caller_identity()
            if body.startswith(b"Action=") and standin.query_service:
                return self.query(body)
            cbor = self.headers.get("smithy-protocol") == "rpc-v2-cbor"
            operation = self.path.rsplit("/", 1)[-1] if cbor else self.headers["X-Amz-Target"].rsplit(".", 1)[-1]
            encode = (lambda v: cbor2.dumps(v, datetime_as_timestamp=True)) if cbor else (lambda v: json.dumps(plain(v)).encode())
            try:
                if "AWS4-HMAC-SHA256" not in self.headers.get("Authorization", ""):
                    raise Refused("MissingAuthenticationToken", "the request is not signed", 403)
                request = without_nulls(cbor2.loads(body) if cbor else json.loads(body))
                service = None if cbor else standin.targets.get(self.headers["X-Amz-Target"].split(".")[0])
                model = model_of(service) if service else standin.model
                shape = model.operation_model(operation).input_shape
                status, answer = 200, standin.answer(operation, times(shape, request), service)
            except Refused as refused:
                namespace = f"com.amazonaws.{standin.service}#" if cbor else ""
                status, answer = refused.status, {"__type": namespace + refused.code, "message": refused.message, **refused.members}
            headers = [("smithy-protocol", "rpc-v2-cbor")] if cbor else []
            self.send(status, encode(answer), "application/cbor" if cbor else "application/x-amz-json-1.1", headers)

        def query(self, body):
            """The query protocol: parameters in, XML out. A parameter that the model does not know is refused."""
            fields = dict(urllib.parse.parse_qsl(body.decode(), keep_blank_values=True))
            operation = fields.pop("Action")
            service = standin.query_services.get(operation, standin.query_service)
            model = model_of(service)
            version, shape = fields.pop("Version"), model.operation_model(operation).input_shape
            request = unflatten(shape, fields, "")
            try:
                if "AWS4-HMAC-SHA256" not in self.headers.get("Authorization", ""):
                    raise Refused("MissingAuthenticationToken", "the request is not signed", 403)
                if fields or version != model.api_version:
                    raise Refused("ValidationError", f"unknown: {sorted(fields)}, version {version}")
                answer = standin.answer(operation, request, service)
                text = f"<{operation}Response><{operation}Result>{xml(answer)}</{operation}Result></{operation}Response>"
                self.send(200, text.encode(), "text/xml")
            except Refused as refused:
                text = f"<ErrorResponse><Error><Code>{refused.code}</Code><Message>{html.escape(refused.message)}</Message></Error></ErrorResponse>"
                self.send(refused.status, text.encode(), "text/xml")

        def caller_identity(self):
            account = standin.script.get("account", "123456789012")
            text = (
                '<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>'
                f"<Arn>arn:aws:iam::{account}:user/observer</Arn><UserId>AIDA</UserId><Account>{account}</Account>"
                "</GetCallerIdentityResult><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata>"
                "</GetCallerIdentityResponse>"
            )
            self.send(200, text.encode(), "text/xml")

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    ports = [server.server_address[1]]
    if len(sys.argv) == 3:
        # The same over TLS, with this certificate and key. Handshakes are the handlers' own: one that fails ends one connection.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[1], sys.argv[2])
        encrypted = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        encrypted.handle_error = lambda *_: None
        encrypted.socket = context.wrap_socket(encrypted.socket, server_side=True, do_handshake_on_connect=False)
        encrypted.daemon_threads = True
        threading.Thread(target=encrypted.serve_forever, daemon=True).start()
        ports.append(encrypted.server_address[1])
    print(*ports, flush=True)
    # The test holds our stdin; when it is gone, so are we.
    threading.Thread(target=lambda: (sys.stdin.read(), server.shutdown()), daemon=True).start()
    server.serve_forever()
