# Metrics made from log records. Flow runs write theirs as JSON (PREFECT_LOGGING_HANDLERS_CONSOLE_FORMATTER=json);
# `message` is the line a person reads in the Prefect UI; records that do not go there have only `msg`. Those about BigQuery come from its audit log, so
# they also see what no flow ran. Texts that a line must match are kept equal to the program's by a test.
locals {
  runs   = "resource.type=\"k8s_container\" resource.labels.namespace_name=\"${local.namespace}\""
  ours   = "protoPayload.authenticationInfo.principalEmail=(\"${google_service_account.this["pipeline"].email}\" OR \"${google_service_account.this["dbt-runner"].email}\")"
  change = "protoPayload.metadata.jobChange.job"

  # value: null counts records; else the number that is taken from each.
  metrics = {
    "flow_runs_failed" = {
      description = "Flow runs that ended failed, crashed or timed out, as the run itself says."
      filter      = "${local.runs} jsonPayload.name=\"prefect.flow_runs\" jsonPayload.message=~\"^(Finished in state (Failed|Crashed|TimedOut)\\(|Crash detected! )\""
      labels      = { flow = "EXTRACT(jsonPayload.flow_name)" }
      value       = null
      unit        = "1"
    }
    "flow_runs_completed" = {
      description = "Flow runs that ended well."
      filter      = "${local.runs} jsonPayload.name=\"prefect.flow_runs\" jsonPayload.message=~\"^Finished in state Completed\\(\""
      labels      = { flow = "EXTRACT(jsonPayload.flow_name)" }
      value       = null
      unit        = "1"
    }
    "flow_runs_lost" = {
      description = "Flow runs whose pod died without a word (out of memory, node lost), as the worker sees it."
      filter      = "${local.runs} resource.labels.container_name=\"prefect-worker\" jsonPayload.msg=~\"^Job .* has failed and no other active jobs found for flow run .*, marking as crashed\""
      labels      = {}
      value       = null
      unit        = "1"
    }
    "alerts_undelivered" = {
      description = "Messages to Slack that could not be sent: nobody was told."
      filter      = "${local.runs} jsonPayload.name=\"prefect.mgdw.alerts\" jsonPayload.msg=~\"^(MGDW_SLACK_WEBHOOK_URL is not set|Slack refused the message|Slack could not be reached)\""
      labels      = {}
      value       = null
      unit        = "1"
    }
    "alerts_refused" = {
      description = "Messages that the Prefect server's automations could not send to Slack: nobody was told."
      filter      = "${local.runs} resource.labels.container_name=\"prefect-server\" jsonPayload.name=\"prefect.server.events.actions\" jsonPayload.msg=\"Action failed: %r\" jsonPayload.args=\"Notification failed\""
      labels      = {}
      value       = null
      unit        = "1"
    }
    "rows_loaded" = {
      description = "Rows of each batch loaded into STG."
      filter      = "${local.runs} jsonPayload.message=~\"^loaded [a-z0-9_]+: [0-9]+ rows\""
      labels      = { table = "REGEXP_EXTRACT(jsonPayload.message, \"^loaded ([a-z0-9_]+): \")" }
      value       = "REGEXP_EXTRACT(jsonPayload.message, \"^loaded [a-z0-9_]+: ([0-9]+) rows\")"
      unit        = "{row}"
    }
    "rows_quarantined" = {
      description = "Rows that did not fit the contract, a batch each."
      filter      = "${local.runs} jsonPayload.message=~\"^quarantined [a-z0-9_]+: [0-9]+ rows\""
      labels      = { table = "REGEXP_EXTRACT(jsonPayload.message, \"^quarantined ([a-z0-9_]+): \")" }
      value       = "REGEXP_EXTRACT(jsonPayload.message, \"^quarantined [a-z0-9_]+: ([0-9]+) rows\")"
      unit        = "{row}"
    }
    "bytes_billed" = {
      description = "Bytes billed by BigQuery, a query each, by who asked and the labels of the job."
      filter      = "resource.type=\"bigquery_project\" ${local.change}.jobStats.queryStats.totalBilledBytes>0"
      labels = {
        principal = "EXTRACT(protoPayload.authenticationInfo.principalEmail)"
        step      = "EXTRACT(${local.change}.jobConfig.labels.step)"
        table     = "EXTRACT(${local.change}.jobConfig.labels.table)"
      }
      value = "EXTRACT(${local.change}.jobStats.queryStats.totalBilledBytes)"
      unit  = "By"
    }
    "bigquery_jobs_failed" = {
      description = "BigQuery jobs of the pipeline and dbt that ended with an error, by its code."
      filter      = "resource.type=\"bigquery_project\" ${local.ours} ${local.change}.jobStatus.jobState=\"DONE\" ${local.change}.jobStatus.errorResult.code>0"
      labels      = { code = "EXTRACT(${local.change}.jobStatus.errorResult.code)" }
      value       = null
      unit        = "1"
    }
    "raw_deletions" = {
      description = "Raw objects that somebody deleted; the lifecycle's own deletions are not in this log."
      filter      = "resource.type=\"gcs_bucket\" protoPayload.methodName=\"storage.objects.delete\" protoPayload.resourceName=~\"^projects/_/buckets/${google_storage_bucket.lake.name}/objects/raw/\""
      labels      = { principal = "EXTRACT(protoPayload.authenticationInfo.principalEmail)" }
      value       = null
      unit        = "1"
    }
  }
}

resource "google_logging_metric" "this" {
  for_each = local.metrics

  project         = var.project_id
  name            = "mgdw/${each.key}"
  description     = each.value.description
  filter          = each.value.filter
  value_extractor = each.value.value

  label_extractors = each.value.labels

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = each.value.value == null ? "INT64" : "DISTRIBUTION"
    unit        = each.value.unit

    dynamic "labels" {
      for_each = each.value.labels

      content {
        key        = labels.key
        value_type = "STRING"
      }
    }
  }

  dynamic "bucket_options" {
    for_each = each.value.value == null ? [] : [1]

    content {
      exponential_buckets {
        num_finite_buckets = 40
        growth_factor      = 2
        scale              = 1
      }
    }
  }

  depends_on = [google_project_service.this["logging.googleapis.com"], google_project_iam_audit_config.this]
}
