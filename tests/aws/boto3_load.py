"""A second, independent client of the Performance Insights stand-in: prints what boto3 reads, as JSON."""
import datetime
import json
import sys

import boto3

client = boto3.client(
    "pi", endpoint_url=sys.argv[1], region_name="eu-central-1", aws_access_key_id="AKIDEXAMPLE", aws_secret_access_key="x"
)
now = datetime.datetime.now(datetime.timezone.utc)
request = {
    "ServiceType": "RDS",
    "Identifier": sys.argv[2],
    "StartTime": now - datetime.timedelta(minutes=15),
    "EndTime": now,
    "PeriodInSeconds": 60,
    "MetricQueries": [{"Metric": "db.load.avg", "GroupBy": {"Group": "db.wait_event", "Limit": 10}}],
}
values, waits, token = [], {}, {}
while True:
    page = client.get_resource_metrics(**request, **token)
    for found in page["MetricList"]:
        points = [point["Value"] for point in found["DataPoints"]]
        dimensions = found["Key"].get("Dimensions")
        if dimensions is None:
            values = points
        else:
            waits[dimensions["db.wait_event.name"]] = sum(points)
    if "NextToken" not in page:
        break
    token = {"NextToken": page["NextToken"]}
try:
    client.get_resource_metrics(**{**request, "MetricQueries": [{"Metric": "db.load"}]})
    refused = None
except client.exceptions.InvalidArgumentException as error:
    refused = error.response["Error"]["Message"]
print(json.dumps({"aas": sum(values) / len(values), "waits": {n: v / len(values) for n, v in waits.items()}, "refused": refused}))
