#!/usr/bin/env bash
# A release is an image by digest and the commit it was built from; this brings one to the cluster that kubectl points
# at, or the one before back. Cloud Build runs it, and so may a person (docs/runbooks/deploy.md).
#
#   deployments/release.sh staging IMAGE@sha256:… COMMIT    release
#   deployments/release.sh staging --previous               roll back to the release before
#   deployments/release.sh staging --to RELEASE             … or to any that is kept
#   deployments/release.sh staging --list                   what is kept, and which runs
#
# Server and worker get their settings and the image; a Job of that very image then writes work pool, deployments,
# automations and blocks (so they are those of the image's own prefect.yaml) and lets a run go through the pool. What
# worked is kept in the ConfigMap mg-dw-releases with its manifests, so that going back needs no checkout. A release
# that does not work is rolled back at once, and this ends with status 1.
set -euo pipefail

readonly RECORDS=mg-dw-releases KEPT=10
readonly ROLLOUT_TIMEOUT="${ROLLOUT_TIMEOUT:-900s}" # a new node, a new image, a database to migrate
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

say() { printf '%s  %s\n' "$(date -u +%H:%M:%S)" "$*"; }
fail() {
  printf 'Failed: %s\nWhat to do: %s\n' "$1" "$2" >&2
  exit 1
}
k() { kubectl --namespace mg-dw "$@"; }

# of_kind KIND FILE: its documents of that kind.
of_kind() { awk -v RS='---\n' -v ORS='---\n' -v kind="$1" '$0 ~ "(^|\n)kind: " kind "\n"' "$2"; }

# shellcheck disable=SC2016 # the dollars are the Go template's
releases() {
  k get configmap "$RECORDS" -o go-template='{{range $k, $v := .data}}{{$k}}{{"\n"}}{{end}}' | sed -n '/^[0-9]/p' | sort
}
current() { k get configmap "$RECORDS" -o go-template='{{with .data}}{{with .current}}{{.}}{{end}}{{end}}'; }
manifests() { k get configmap "$RECORDS" -o go-template="{{index .data \"$1\"}}"; }

# The newest of the releases that are older than the present one.
previous() { releases | awk -v now="$(current)" '$0 < now' | tail -n 1; }

# keep KEY FILE: as it was applied; the oldest go.
keep() {
  {
    printf 'data:\n  %s: |\n' "$1"
    sed 's/^/    /' "$2"
    { releases && echo "$1"; } | sort -u | head -n "-$KEPT" | sed 's/.*/  &: null/'
  } > "$work/patch.yaml"
  k patch configmap "$RECORDS" --type merge --patch-file "$work/patch.yaml" > /dev/null
}

# rendered IMAGE COMMIT: settings, server, worker and the Job as they are to be applied. The rest (rights, network,
# volumes, quotas) is a person's to apply, and so is the first time.
rendered() {
  kubectl kustomize "$root/k8s/overlays/$environment" | sed "s|[^ ]*@sha256:0\{64\}|$1|" > "$work/all.yaml"
  of_kind ConfigMap "$work/all.yaml" | awk -v RS='---\n' -v ORS='---\n' -v own="$RECORDS" '$0 !~ "\n  name: " own "\n"'
  of_kind Deployment "$work/all.yaml"
  sed "s|IMAGE|$1|g; s|RELEASE|$2|g" "$root/k8s/jobs/deploy.yaml"
}

# deploy FILE: returns 1 when it does not work. (Not by `set -e`: its caller asks how it went.)
deploy() {
  of_kind '(ConfigMap|Deployment)' "$1" > "$work/apply.yaml"
  of_kind Job "$1" > "$work/job.yaml"
  local applied each job states
  applied=$(k apply -f "$work/apply.yaml" -o name) || return 1
  echo "$applied"
  while read -r each; do
    k rollout status "$each" --timeout "$ROLLOUT_TIMEOUT" || return 1
  done < <(grep '^deployment' <<< "$applied")
  job=$(k create -f "$work/job.yaml" -o name) || return 1
  say "$job writes the deployments and lets a run go through the pool"
  # Longer than the Job's own deadline: it ends in one way or the other.
  for _ in $(seq 1 420); do
    states=$(k get "$job" -o jsonpath='{range .status.conditions[?(@.status=="True")]}{.type}{" "}{end}') || states=""
    case " $states " in
      *" Complete "*)
        k logs "$job" || true
        return 0
        ;;
      *" Failed "*)
        k logs "$job" || true
        return 1
        ;;
    esac
    sleep "${POLL_SECONDS:-5}"
  done
  return 1
}

# go KEY FILE: deploys, and says which release this is, also while it is not known yet whether it works.
go() {
  k patch configmap "$RECORDS" --type merge -p "{\"data\":{\"current\":\"$1\"}}" > /dev/null || return 1
  say "$1 to $environment"
  deploy "$2"
}

# back KEY
back() {
  manifests "$1" > "$work/back.yaml"
  go "$1" "$work/back.yaml" \
    || fail "$1 does not come back either" "Read the log above; $0 $environment --list shows what else is kept."
  say "$1 runs"
}

if [[ ! ${1:-} =~ ^(staging|production)$ || $# -lt 2 ]]; then
  sed -n '5,8s/^# *//p' "$0" >&2
  exit 2
fi
environment=$1
there=$(k get deployment prefect-worker -o jsonpath='{.metadata.labels.app\.kubernetes\.io/instance}') \
  || fail "kubectl finds no worker in mg-dw" "Point it at the cluster (docs/runbooks/deploy.md), or apply k8s/ first."
[[ $there == "$environment" ]] \
  || fail "kubectl points at $there, not at $environment" "Point it at the other cluster, or name this one."

case $2 in
  --list)
    now=$(current)
    releases | sed "s|^${now:-none}\$|&  (now)|"
    ;;
  --previous | --to)
    if [[ $2 == --to ]]; then key=${3:?which release? --list shows them}; else key=$(previous); fi
    [[ -n $key ]] || fail "no release is kept that is older than the present one" "$0 $environment --list shows all."
    releases | grep -qxF "$key" || fail "no release $key is kept" "$0 $environment --list shows all."
    back "$key"
    ;;
  *)
    image=$2 commit=${3:-}
    [[ $image =~ ^[a-z0-9./:_-]+@sha256:[0-9a-f]{64}$ ]] || fail "$image is no image by digest" "Give it as name@sha256:…"
    [[ $commit =~ ^[0-9a-f]{7,40}$ ]] || fail "'$commit' is no commit" "Give the commit that the image was built from."
    key="$(date -u +%Y%m%d-%H%M%S)-${commit:0:12}"
    rendered "$image" "$commit" > "$work/release.yaml"
    if [[ $(grep -c "image: $image" "$work/release.yaml") -lt 3 ]] || grep -q '@sha256:0\{64\}' "$work/release.yaml"; then
      fail "the image has no place in k8s/overlays/$environment" "Name it mg-dw there, with a digest of zeros."
    fi
    runs=$(k get jobs -l prefect.io/flow-run-id -o jsonpath='{range .items[?(@.status.active)]}{.metadata.name}{" "}{end}')
    [[ -z $runs ]] || say "in flight, and to their end on the image they started with: $runs"
    before=$(current)
    releases | grep -qxF "${before:-none}" || before=$(previous)
    if go "$key" "$work/release.yaml"; then
      keep "$key" "$work/release.yaml"
      say "$key runs"
    elif [[ -n $before ]]; then
      say "$key does not work; going back to $before"
      back "$before"
      exit 1
    else
      fail "$key does not work, and there is none to go back to" "Read the log above, correct what it names, try again."
    fi
    ;;
esac
