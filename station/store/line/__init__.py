"""Time series databases that take line protocol over HTTP: InfluxDB 1 and 2, VictoriaMetrics."""
