"""Fills an emulator that enforces IAM, and makes a user with nothing but the given policy; prints its key as JSON."""
import json
import sys
import time

import boto3

url, policy_file, group, other = sys.argv[1:]
root = {
    "endpoint_url": url,
    "region_name": "eu-central-1",
    "aws_access_key_id": "test",
    "aws_secret_access_key": "test",
}
logs, iam = boto3.client("logs", **root), boto3.client("iam", **root)
for name in (group, other):
    logs.create_log_group(logGroupName=name)
    logs.create_log_stream(logGroupName=name, logStreamName="one")
    event = {"timestamp": int(time.time() * 1000) - 1000, "message": f"a line of {name}"}
    logs.put_log_events(logGroupName=name, logStreamName="one", logEvents=[event])
with open(policy_file) as file:
    policy = file.read()
for placeholder, value in (("REGION", "eu-central-1"), ("ACCOUNT", "000000000000"), ("CLUSTER", "orders")):
    policy = policy.replace(placeholder, value)
iam.create_user(UserName="observer")
iam.put_user_policy(UserName="observer", PolicyName="observer", PolicyDocument=policy)
key = iam.create_access_key(UserName="observer")["AccessKey"]
print(json.dumps({"id": key["AccessKeyId"], "secret": key["SecretAccessKey"]}))
