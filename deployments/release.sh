#!/usr/bin/env bash
# A release is an image by digest and the commit it was built from; this brings one to the cluster that kubectl points
# at, or the one before back. Cloud Build runs it, and so may a person (docs/runbooks/deploy.md).
#
#   deployments/release.sh staging IMAGE@sha256:… COMMIT    release
#   deployments/release.sh staging --previous               roll back to the release before
#   deployments/release.sh staging --to RELEASE             … or to any that is kept
#   deployments/release.sh staging --list                   what is kept, and which runs
#
# Server and worker get the image; a Job of that very image then writes work pool, deployments, automations and blocks
# (so they are those of the image's own prefect.yaml) and lets a run go through the pool. What worked is kept in the
# ConfigMap mg-dw-releases with its manifests, so that going back needs no checkout. A release that does not work is
# rolled back at once, and this ends with status 1.
set -euo pipefail

readonly RECORDS=mg-dw-releases KEPT=10 APPS="prefect-server prefect-worker"
readonly ROLLOUT_TIMEOUT="${ROLLOUT_TIMEOUT:-900s}" # a new node, a new image, a database to migrate
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

say() { printf '%s  %s\n' "$(date -u +%H:%M:%S)" "$*"; }
fail() { printf 'Failed: %s\nWhat to do: %s\n' "$1" "$2" >&2; exit 1; }
k() { kubectl --namespace mg-dw "$@"; }

releases() { k get configmap "$RECORDS" -o go-template='{{range $k, $v := .data}}{{$k}}{{"\n"}}{{end}}' | sed -n '/^[0-9]/p' | sort; }
current() { k get configmap "$RECORDS" -o go-template='{{with .data}}{{with .current}}{{.}}{{end}}{{end}}'; }
manifests() { k get configmap "$RECORDS" -o go-template="{{index .data \"$1\"}}"; }

# The release that is older than the present one, and newest of those.
previous() { releases | awk -v now="$(current)" '$0 < now' | tail -n 1; }

# keep KEY FILE: as it was applied; the oldest go.
keep() {
  {
    printf 'data:\n  %s: |\n' "$1"
    sed 's/^/    /' "$2"
    { releases; echo "$1"; } | sort -u | head -n "-$KEPT" | sed 's/.*/  &: null/'
  } > "$work/patch.yaml"
  k patch configmap "$RECORDS" --type merge --patch-file "$work/patch.yaml" > /dev/null
}

# rendered IMAGE COMMIT: server, worker and the Job as they are to be applied. Anything else is a person's to apply.
rendered() {
  kubectl kustomize "$root/k8s/overlays/$environment" > "$work/all.yaml"
  awk -v RS='---\n' -v ORS='---\n' '/(^|\n)kind: Deployment\n/' "$work/all.yaml" \
    | sed "s|[^ ]*@sha256:0\{64\}|$1|"
  sed "s|IMAGE|$1|g; s|RELEASE|$2|g" "$root/k8s/jobs/deploy.yaml"
}

# deploy FILE: returns 1 when it does not work. (Not `set -e`: its caller asks how it went.)
deploy() {
  awk -v RS='---\n' -v ORS='---\n' '/(^|\n)kind: Deployment\n/' "$1" > "$work/apps.yaml"
  awk -v RS='---\n' -v ORS='---\n' '/(^|\n)kind: Job\n/' "$1" > "$work/job.yaml"
  k apply -f "$work/apps.yaml" || return 1
  local app job states
  for app in $APPS; do
    k rollout status "deployment/$app" --timeout "$ROLLOUT_TIMEOUT" || return 1
  done
  job=$(k create -f "$work/job.yaml" -o name) || return 1
  say "$job writes the deployments and lets a run go through the pool"
  # Longer than the Job's own deadline: it ends in one way or the other.
  for _ in $(seq 1 420); do
    states=$(k get "$job" -o jsonpath='{range .status.conditions[?(@.status=="True")]}{.type}{" "}{end}') || states=""
    case " $states " in
      *" Complete "*) k logs "$job" || true; return 0 ;;
      *" Failed "*) k logs "$job" || true; return 1 ;;
    esac
    sleep "${POLL_SECONDS:-5}"
  done
  return 1
}

# go KEY FILE: deploys, and says which release this is, also while it is not known yet whether it works.
go() {
  k patch configmap "$RECORDS" --type merge -p "{\"data\":{\"current\":\"$1\"}}" > /dev/null
  say "$1 to $environment"
  deploy "$2"
}

# back KEY
back() {
  manifests "$1" > "$work/back.yaml"
  go "$1" "$work/back.yaml" || fail "$1 does not come back either" "Read the log above; $0 $environment --list shows what else is kept."
  say "$1 runs"
}

[[ ${1:-} =~ ^(staging|production)$ && $# -ge 2 ]] || { sed -n '5,8s/^# *//p' "$0" >&2; exit 2; }
environment=$1
there=$(k get deployment prefect-worker -o jsonpath='{.metadata.labels.app\.kubernetes\.io/instance}') \
  || fail "kubectl does not reach mg-dw" "Point it at the cluster: tofu output cluster_credentials_command; for the first time: docs/runbooks/deploy.md."
[[ $there == "$environment" ]] || fail "kubectl points at $there, not at $environment" "Point it at the other cluster, or name this one."

case $2 in
  --list)
    now=$(current)
    releases | sed "s|^${now:-nothing}\$|&  (now)|"
    ;;
  --previous | --to)
    if [[ $2 == --to ]]; then key=${3:?which release? --list shows them}; else key=$(previous); fi
    [[ -n $key ]] || fail "no release is kept that is older than $(current)" "$0 $environment --list shows what is kept; --to RELEASE goes to any of them."
    releases | grep -qxF "$key" || fail "no release $key is kept" "$0 $environment --list shows what is kept."
    back "$key"
    ;;
  *)
    image=$2 commit=${3:-}
    [[ $image =~ ^[^[:space:]@\|\&]+@sha256:[0-9a-f]{64}$ ]] || fail "$image is no image by digest" "Give it as name@sha256:…"
    [[ $commit =~ ^[0-9a-f]{7,40}$ ]] || fail "'$commit' is no commit" "Give the commit that the image was built from."
    key="$(date -u +%Y%m%d-%H%M%S)-${commit:0:12}"
    rendered "$image" "$commit" > "$work/release.yaml"
    grep -q "$image" "$work/release.yaml" && ! grep -q '@sha256:0\{64\}' "$work/release.yaml" \
      || fail "the image has no place in k8s/overlays/$environment" "Its kustomization.yaml names the image mg-dw with a digest of zeros."
    runs=$(k get jobs -l prefect.io/flow-run-id -o jsonpath='{range .items[?(@.status.active)]}{.metadata.name}{"\n"}{end}')
    [[ -z $runs ]] || say "in flight, and to their end on the image they started with: $(echo "$runs" | tr '\n' ' ')"
    before=$(releases | tail -n 1)
    if [[ $(current) != "$before" && -n $(current) ]]; then before=$(releases | grep -xF "$(current)" || true); fi
    if go "$key" "$work/release.yaml"; then
      keep "$key" "$work/release.yaml"
      say "$key runs"
    elif [[ -n $before ]]; then
      say "$key does not work; going back to $before"
      back "$before"
      exit 1
    else
      fail "$key does not work, and there is none to go back to" "Read the log above, correct what it names, release again."
    fi
    ;;
esac
