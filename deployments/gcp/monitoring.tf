# Who is told, and of what. Each alert links to its section of alerts.md. Prefect tells of runs by itself (Slack); these
# are for what Prefect cannot tell: that it is down, that Slack is, that money or secrets run out.
resource "google_monitoring_notification_channel" "email" {
  for_each = var.alert_emails

  project      = var.project_id
  type         = "email"
  display_name = "mg-dw ${each.key}"
  labels       = { email_address = each.key }
  user_labels  = local.labels

  depends_on = [google_project_service.this["monitoring.googleapis.com"]]
}

locals {
  channels = concat([for channel in google_monitoring_notification_channel.email : channel.id], tolist(var.slack_channels))

  pods   = "resource.type = \"k8s_container\" AND resource.labels.cluster_name = \"${google_container_cluster.this.name}\" AND resource.labels.namespace_name = \"${local.namespace}\""
  metric = { for name, metric in google_logging_metric.this : name => "metric.type = \"logging.googleapis.com/user/${metric.name}\"" }

  # More than `above` (or less than `below`) of a metric in `seconds`, by each of `by`.
  threshold_alerts = {
    "flow-failed" = {
      title    = "A flow run failed"
      severity = "ERROR"
      text     = "A run ended failed, crashed or timed out. Slack has the cause and the remedy; this tells who does not read Slack."
      filter   = "${local.pods} AND ${local.metric["flow_runs_failed"]}"
      above    = 0
      seconds  = 300
      aligner  = "ALIGN_DELTA"
      reducer  = "REDUCE_SUM"
      by       = ["metric.label.flow"]
    }
    "flow-lost" = {
      title    = "A flow run's pod died"
      severity = "ERROR"
      text     = "The worker found a run whose pod is gone: out of memory, or its node was lost. The run could not tell anybody."
      filter   = "${local.pods} AND ${local.metric["flow_runs_lost"]}"
      above    = 0
      seconds  = 300
      aligner  = "ALIGN_DELTA"
      reducer  = "REDUCE_SUM"
      by       = []
    }
    "slack-silent" = {
      title    = "Slack was not told of a failure"
      severity = "ERROR"
      text     = "A run failed and its message to Slack was refused, could not be sent, or has no webhook."
      filter   = "${local.pods} AND ${local.metric["alerts_undelivered"]}"
      above    = 0
      seconds  = 300
      aligner  = "ALIGN_DELTA"
      reducer  = "REDUCE_SUM"
      by       = []
    }
    "slack-refused" = {
      title    = "Slack took no message from the Prefect server"
      severity = "ERROR"
      text     = "An automation could not send its message, six times in about a minute: a run ended badly or is late, and nobody was told."
      filter   = "${local.pods} AND ${local.metric["alerts_refused"]}"
      above    = 0
      seconds  = 300
      aligner  = "ALIGN_DELTA"
      reducer  = "REDUCE_SUM"
      by       = []
    }
    "raw-deleted" = {
      title    = "Raw data was deleted by hand"
      severity = "CRITICAL"
      text     = "Somebody deleted objects below raw/. They can be restored for 14 days."
      filter   = "resource.type = \"gcs_bucket\" AND ${local.metric["raw_deletions"]}"
      above    = 0
      seconds  = 300
      aligner  = "ALIGN_DELTA"
      reducer  = "REDUCE_SUM"
      by       = ["metric.label.principal"]
    }
    "restarting" = {
      title    = "A container keeps restarting"
      severity = "ERROR"
      text     = "A container of the namespace restarted three times and more in a quarter of an hour."
      filter   = "${local.pods} AND metric.type = \"kubernetes.io/container/restart_count\""
      above    = 2
      seconds  = 900
      aligner  = "ALIGN_DELTA"
      reducer  = "REDUCE_SUM"
      by       = ["resource.label.container_name"]
    }
    "database-full" = {
      title    = "The Prefect database's disk fills up"
      severity = "WARNING"
      text     = "More than 85 % of the disk is used; it grows by itself up to 100 GB and not further."
      filter   = "resource.type = \"cloudsql_database\" AND resource.labels.database_id = \"${var.project_id}:${google_sql_database_instance.prefect.name}\" AND metric.type = \"cloudsql.googleapis.com/database/disk/utilization\""
      above    = 0.85
      seconds  = 600
      aligner  = "ALIGN_MEAN"
      reducer  = "REDUCE_MAX"
      by       = []
    }
    "egress-full" = {
      title    = "Requests to the outside are dropped"
      severity = "ERROR"
      text     = "The egress address has no ports left: sources look unreachable though they are not."
      filter   = "resource.type = \"nat_gateway\" AND resource.labels.gateway_name = \"${google_compute_router_nat.this.name}\" AND metric.type = \"router.googleapis.com/nat/dropped_sent_packets_count\" AND metric.labels.reason = \"OUT_OF_RESOURCES\""
      above    = 0
      seconds  = 300
      aligner  = "ALIGN_DELTA"
      reducer  = "REDUCE_SUM"
      by       = []
    }
    "secret-due" = {
      title    = "A secret is due for rotation"
      severity = "WARNING"
      text     = "Secret Manager's reminder. Nothing stops working by itself."
      filter   = "resource.type = \"pubsub_topic\" AND resource.labels.topic_id = \"${google_pubsub_topic.rotation.name}\" AND metric.type = \"pubsub.googleapis.com/topic/send_message_operation_count\""
      above    = 0
      seconds  = 3600
      aligner  = "ALIGN_DELTA"
      reducer  = "REDUCE_SUM"
      by       = []
    }
  }

  # Sums of what each record says, in PromQL: a threshold cannot add up a distribution.
  sum_alerts = {
    "quarantine" = {
      title    = "Rows went to quarantine"
      severity = "WARNING"
      text     = "Rows of a batch did not fit the contract and are not in STG. The batch's other rows are."
      query    = "sum by (table) (increase(logging_googleapis_com:user_mgdw_rows_quarantined_sum{monitored_resource=\"k8s_container\"}[1h])) > 0"
    }
    "scan-limit" = {
      title    = "Queries cost more than usual"
      severity = "WARNING"
      text     = "BigQuery billed more than ${var.daily_scan_limit_tib} TiB in 24 hours."
      query    = "sum(increase(logging_googleapis_com:user_mgdw_bytes_billed_sum{monitored_resource=\"bigquery_project\"}[24h])) > ${var.daily_scan_limit_tib * 1099511627776}"
    }
  }

  # Containers that are always there, by the names they have in k8s/.
  always_running = ["prefect-server", "prefect-worker"]
}

resource "google_monitoring_alert_policy" "threshold" {
  for_each = local.threshold_alerts

  project               = var.project_id
  display_name          = "mg-dw: ${each.value.title}"
  combiner              = "OR"
  severity              = each.value.severity
  notification_channels = local.channels
  user_labels           = merge(local.labels, { alert = each.key })

  conditions {
    display_name = each.value.title

    condition_threshold {
      filter          = each.value.filter
      comparison      = "COMPARISON_GT"
      threshold_value = each.value.above
      duration        = "0s"

      aggregations {
        alignment_period     = "${each.value.seconds}s"
        per_series_aligner   = each.value.aligner
        cross_series_reducer = each.value.reducer
        group_by_fields      = each.value.by
      }
    }
  }

  alert_strategy {
    auto_close = "${local.day_seconds}s"
  }

  documentation {
    subject   = "mg-dw ${var.environment}: ${each.value.title}"
    mime_type = "text/markdown"
    content   = each.value.text

    links {
      display_name = "What to do"
      url          = "${local.alerts_url}#${each.key}"
    }
  }
}

resource "google_monitoring_alert_policy" "sum" {
  for_each = local.sum_alerts

  project               = var.project_id
  display_name          = "mg-dw: ${each.value.title}"
  combiner              = "OR"
  severity              = each.value.severity
  notification_channels = local.channels
  user_labels           = merge(local.labels, { alert = each.key })

  conditions {
    display_name = each.value.title

    condition_prometheus_query_language {
      query               = each.value.query
      duration            = "0s"
      evaluation_interval = "300s"
    }
  }

  alert_strategy {
    auto_close = "${local.day_seconds}s"
  }

  documentation {
    subject   = "mg-dw ${var.environment}: ${each.value.title}"
    mime_type = "text/markdown"
    content   = each.value.text

    links {
      display_name = "What to do"
      url          = "${local.alerts_url}#${each.key}"
    }
  }

  # A query names its metrics in words only.
  depends_on = [google_logging_metric.this]
}

resource "google_monitoring_alert_policy" "prefect_down" {
  project               = var.project_id
  display_name          = "mg-dw: Prefect is down"
  combiner              = "OR"
  severity              = "CRITICAL"
  notification_channels = local.channels
  user_labels           = merge(local.labels, { alert = "prefect-down" })

  dynamic "conditions" {
    for_each = local.always_running

    content {
      display_name = "${conditions.value} does not run"

      condition_absent {
        filter   = "${local.pods} AND resource.labels.container_name = \"${conditions.value}\" AND metric.type = \"kubernetes.io/container/uptime\""
        duration = "900s"

        aggregations {
          alignment_period     = "60s"
          per_series_aligner   = "ALIGN_MAX"
          cross_series_reducer = "REDUCE_MAX"
        }
      }
    }
  }

  alert_strategy {
    auto_close = "${local.day_seconds}s"
  }

  documentation {
    subject   = "mg-dw ${var.environment}: Prefect is down"
    mime_type = "text/markdown"
    content   = "The server or the worker has not run for 15 minutes: no schedule starts, and nobody is told of what fails."

    links {
      display_name = "What to do"
      url          = "${local.alerts_url}#prefect-down"
    }
  }
}

resource "google_monitoring_dashboard" "this" {
  project        = var.project_id
  dashboard_json = templatefile("${path.module}/dashboard.json.tftpl", { environment = var.environment, cluster = google_container_cluster.this.name, namespace = local.namespace, database = "${var.project_id}:${google_sql_database_instance.prefect.name}", limit = var.daily_scan_limit_tib * 1099511627776 })

  depends_on = [google_logging_metric.this]
}
