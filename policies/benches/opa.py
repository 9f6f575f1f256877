"""Times the same rules on the same input in OPA's own engine, and checks that it decides the same.

The engine comes as a Go library inside a Python package; any Python can load it:

    pip download --no-deps --only-binary=:all: --python-version 3.14 -d opa opa-golib-python-bindings==0.4.4
    python3 -m zipfile -e opa/*.whl opa/lib
    INPUT=input.json cargo bench -p policies --bench decision
    PYTHONPATH=opa/lib python3 policies/benches/opa.py input.json
"""

import json
import pathlib
import sys
import time

from opa_bindings import OpaEngine

ROUNDS = 500


def main(path):
    rules = pathlib.Path(__file__).parent.parent / "rego"
    asked = json.loads(pathlib.Path(path).read_text())
    with OpaEngine() as engine:
        for file in sorted(rules.glob("*.rego")):
            if not file.name.endswith("_test.rego"):
                engine.add_policy(file.name, file.read_text())
        decision = engine.eval_document("countersign.decision", asked)
        assert decision["allow"] is True and not decision["denials"], decision
        broken = json.loads(json.dumps(asked))
        broken["plan"]["requester"] = "somebody-else"
        denied = engine.eval_document("countersign.decision", broken)
        assert denied["allow"] is False, denied
        assert [denial["code"] for denial in denied["denials"]] == ["wrong_requester"], denied
        took = []
        for _ in range(ROUNDS):
            started = time.perf_counter()
            engine.eval_document("countersign.decision", asked)
            took.append((time.perf_counter() - started) * 1e3)
    took.sort()
    p50, p99 = took[ROUNDS // 2], took[ROUNDS * 99 // 100]
    print(f"OPA, the rules alone, {ROUNDS} rounds: p50 {p50:.3f} ms, p99 {p99:.3f} ms")


if __name__ == "__main__":
    main(sys.argv[1])
