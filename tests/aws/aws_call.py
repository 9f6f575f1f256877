"""The administrator of an emulator. Each line on stdin is a call, `[service, operation, parameters]`; each line on stdout is
its answer. Argument: the endpoint. It ends with stdin."""
import json
import sys

import boto3

# The emulator takes this key for that of the account's owner.
session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name="eu-central-1")
clients = {}
for line in sys.stdin:
    service, operation, parameters = json.loads(line)
    if service not in clients:
        clients[service] = session.client(service, endpoint_url=sys.argv[1])
    answer = getattr(clients[service], operation)(**parameters)
    answer.pop("ResponseMetadata", None)
    print(json.dumps(answer, default=str), flush=True)
