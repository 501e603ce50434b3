"""What ends a release: blocks and deployments are written from within, and a run goes the whole way."""

from __future__ import annotations

import json

from tests.kubernetes.stage import Stage
from tests.kubernetes.stage_warehouse import Warehouse

_COMMIT = "3f1c2ab9d0e4"


def test_a_release_writes_the_blocks_and_lets_doctor_run_on_the_pool(stage: Stage) -> None:
    warehouse = Warehouse(stage.shared / "release")
    # In the place of Workload Identity: nothing is asked of Google, but there must be somebody to ask as.
    identity = stage.shared / "identity.json"
    known = dict.fromkeys(("client_id", "client_secret", "refresh_token"), "of the test")
    identity.write_text(json.dumps({"type": "authorized_user", **known}))
    google = {"MGDW_GCP_PROJECT": "mg-dw-workbench-staging", "GOOGLE_APPLICATION_CREDENTIALS": str(identity)}
    with stage.scene(warehouse, **google):
        printed = stage.deploy("--with-blocks", "--smoke", "--release", _COMMIT)

        assert "The run smoke completed on the work pool" in printed
        [run] = stage.api.runs(tags={"all_": ["smoke"]})
        assert run["state_name"] == "Completed"
        assert len(stage.wait_for_succeeded_jobs(f"prefect.io/flow-run-id={run['id']}")) == 1
        assert stage.api.get("/deployments/name/doctor/doctor")["version"] == _COMMIT
        block = stage.api.get("/block_types/slug/gcp-credentials/block_documents/name/mg-dw")
        assert block["data"]["project"] == "mg-dw-workbench-staging"
        assert stage.sandbox.slack.texts == []
