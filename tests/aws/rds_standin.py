"""RDS with what a test says there is: instances, clusters, parameters and events as the API's own model shapes them. It has
what an emulator lacks: states between two others, the six hours between changes of storage, answers that do not come."""
import datetime
import os
import signal
import time

from model import Refused, StandIn, serve

UTC = datetime.timezone.utc
ACCOUNT = "arn:aws:rds:eu-central-1:123456789012"
INSTANCE = {
    "DBInstanceStatus": "available", "DBInstanceClass": "db.m6g.large", "Engine": "postgres", "AllocatedStorage": 100,
    "StorageType": "gp3", "Iops": 3000, "StorageThroughput": 125, "PendingModifiedValues": {},
    "DBParameterGroups": [{"DBParameterGroupName": "orders-pg16", "ParameterApplyStatus": "in-sync"}],
}
PARAMETERS = [
    {"ParameterName": "max_connections", "ParameterValue": "200", "Source": "user", "ApplyType": "static", "IsModifiable": True},
    {"ParameterName": "ssl_cipher", "Source": "system", "ApplyType": "dynamic", "IsModifiable": False},
    {"ParameterName": "work_mem", "ParameterValue": "4096", "Source": "engine-default", "ApplyType": "dynamic", "IsModifiable": True},
]


class Rds(StandIn):
    service = "rds"
    query_service = "rds"
    query_services = {"AssumeRole": "sts"}

    def instances(self):
        for name, changes in self.script.get("instances", {"orders-1": {}}).items():
            yield {**INSTANCE, "DBInstanceIdentifier": name, "DBInstanceArn": f"{ACCOUNT}:db:{name}", "DbiResourceId": f"db-{name.upper()}", **changes}

    def DescribeDBInstances(self, request):
        found = [one for one in self.instances() if request.get("DBInstanceIdentifier", one["DBInstanceIdentifier"]) == one["DBInstanceIdentifier"]]
        if not found and "DBInstanceIdentifier" in request:
            raise Refused("DBInstanceNotFound", "DBInstance not found.", 404)
        at = int(request.get("Marker", "0"))
        answer = {"DBInstances": found[at : at + 2]}
        if at + 2 < len(found):
            answer["Marker"] = str(at + 2)
        return answer

    def DescribeDBClusters(self, request):
        name, cluster = request["DBClusterIdentifier"], self.script.get("cluster", {})
        members = cluster.get("members", {"orders-1": True, "orders-2": False})
        return {"DBClusters": [{
            "DBClusterIdentifier": name, "DBClusterArn": f"{ACCOUNT}:cluster:{name}", "DbClusterResourceId": f"cluster-{name.upper()}",
            "Status": cluster.get("status", "available"), "Engine": "aurora-postgresql",
            "DBClusterMembers": [{"DBInstanceIdentifier": member, "IsClusterWriter": writer} for member, writer in members.items()],
        }]}

    def DescribeDBParameters(self, request):
        # The real one knows the filter; one that does not answers with all, in pages.
        at, found = int(request.get("Marker", "0")), self.script.get("parameters", PARAMETERS)
        answer = {"Parameters": found[at : at + 1]}
        if at + 1 < len(found):
            answer["Marker"] = str(at + 1)
        return answer

    def DescribeEvents(self, request):
        return {"Events": [
            {"SourceIdentifier": request["SourceIdentifier"], "SourceType": request["SourceType"], "Message": message,
             "EventCategories": categories, "Date": request["EndTime"]}
            for message, categories in self.script.get("events", [])
        ]}

    def ModifyDBInstance(self, request):
        name = request["DBInstanceIdentifier"]
        if self.script.get("applies"):
            changed = {key: value for key, value in request.items() if key in INSTANCE}
            self.script.setdefault("instances", {}).setdefault(name, {}).update(changed)
        self.kill()
        return {"DBInstance": next(self.instances())}

    def RebootDBInstance(self, request):
        if self.script.get("applies"):
            self.script.setdefault("events", []).append(["DB instance restarted", ["availability"]])
        self.kill()
        return {"DBInstance": next(self.instances())}

    def kill(self):
        """The caller dies while it waits for the answer: its pid comes into the file that the script names."""
        path = self.script.pop("kill", None)
        while path and not (os.path.exists(path) and open(path).read().strip()):
            time.sleep(0.02)
        if path:
            os.kill(int(open(path).read()), signal.SIGKILL)

    def ModifyDBParameterGroup(self, request):
        return {"DBParameterGroupName": request["DBParameterGroupName"]}

    def AssumeRole(self, request):
        expires = datetime.datetime.now(UTC) + datetime.timedelta(seconds=request["DurationSeconds"])
        return {
            "Credentials": {"AccessKeyId": "ASIAEXAMPLEEXAMPLE00", "SecretAccessKey": "session-secret", "SessionToken": "session-token", "Expiration": expires},
            "AssumedRoleUser": {"AssumedRoleId": "AROAEXAMPLEEXAMPLE00:x", "Arn": "arn:aws:sts::123456789012:assumed-role/countersign/x"},
        }


if __name__ == "__main__":
    serve(Rds())
