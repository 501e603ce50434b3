#!/usr/bin/env bash
# deployments/dbt-build.sh PROJECT STATE OUT: build the dbt models that changed since STATE/manifest.json, what is built on
# them and their tests; all models where there is no such file. OUT gets manifest.json, catalog.json, static_index.html.
#
# With a manifest the build is tried in the dataset DEV first. --defer --favor-state: what did not change is read from where
# production has it, even if DEV has an older one of its own. Unit tests ran with the others, before the merge.
set -euo pipefail

project=${1:?} state=${2:?} out=${3:?}
flags=(--project-dir "$project" --profiles-dir "$project" --no-use-colors)
build=(dbt build "${flags[@]}" --exclude-resource-type unit_test --exclude-resource-type exposure)
selection=()

if [[ -f $state/manifest.json ]]; then
  selection=(--select state:modified+ --state "$state")
  echo "Tried in DEV: what changed, and what is built on it"
  MGDW_STG_DATASET=${MGDW_STG_DATASET:-STG} \
    "${build[@]}" --target dev --target-path "$out/trial" "${selection[@]}" --defer --favor-state
fi
echo "Built in STG, ODS and EDW"
"${build[@]}" --target prod --target-path "$out/build" "${selection[@]}"
dbt docs generate "${flags[@]}" --target prod --target-path "$out" --static
