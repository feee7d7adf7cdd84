package main

import "github.com/grafana/grafana-foundation-sdk/go/units"

const (
	byLog = "cluster, job, instance, log"
	atLog = "{{log}}" + atBalancer
)

// exporter answers: can one trust the other dashboards, and if not, what does the exporter not see.
func exporter() *board {
	b := newBoard(
		"fremisn-exporter",
		"Fremisn / Exporter",
		"Can you trust the other dashboards? Whether the exporter reads every line, saves its counts and probes on "+
			"time, and what that costs.",
	)
	b.row("Can you trust the numbers?")
	b.line(4, exporterVerdict()...)
	b.row("Is every line read?")
	b.line(8, coverage(), logLines(), logLag())
	b.line(8, logUnread(), logGaps(), logRotations())
	b.row("Are the counts saved?")
	b.line(8, seriesDropped(), commits(), commitAge())
	b.row("Are the probes on time?")
	b.line(8, probePace())
	b.line(8, probeTable())
	b.row("What does it cost?")
	b.line(8, scrapeDuration(), scrapeSamples(), collectorTable())
	b.line(8, cpu(), memory(), descriptors())
	return b
}

func exporterVerdict() []panel {
	return []panel{
		oneStat(4, about{
			id: 1, title: "Exporter", unit: units.Number, empty: "never scraped",
			shows: "Whether Prometheus can scrape the exporter.",
			bad:   "DOWN: all other panels show no new data.",
			do: "`systemctl status fremisn-exporter`, or the container's log; then the network between it and " +
				"Prometheus.",
		}, now(theSite, `min by (cluster, job, instance) (up{`+balancer+`})`), words(word{1, "up", good}, word{0,
			"DOWN", bad})),
		oneStat(4, about{
			id: 2, title: "Collectors", unit: units.Number, empty: "no exporter",
			shows: "Whether every collector of the exporter succeeded at the last scrape.",
			bad:   "A name that is not ok.",
			do:    "The exporter's log says why; `fremisn-exporter check` says what to do.",
		}, now("{{collector}}"+atBalancer,
			`min by (cluster, job, instance, collector) (fremisn_exporter_collector_success{`+balancer+`}) == 0
or
min by (cluster, job, instance) (fremisn_exporter_collector_success{`+balancer+`}) == 1`), words(word{1, "all ok",
			good}, word{0, "FAILS", bad})),
		oneStat(4, about{
			id: 3, title: "Coverage, last 15 min", unit: units.PercentUnit, empty: "no requests, or no status page",
			shows: "Lines read from access logs in 15 minutes, for each request that the status page counts " +
				"(without the exporter's own).",
			bad: "Below 50 % under load: a server or location without access_log, or a log that is not followed.",
			do:  "`fremisn-exporter check` lists the logs in nginx.conf and what is followed.",
		}, over(theSite, sum(byBalancer, "fremisn:log_coverage:ratio15m", balancer)), decimals(0), from(bad, step{0.5,
			look}, step{0.8, good})),
		oneStat(4, about{
			id: 4, title: "Unread log bytes", unit: units.BytesIEC, empty: "no log is read",
			shows: "Bytes that NGINX has written and the exporter has not read, of the log with the most.",
			bad:   "More than a few kilobytes for longer than a scrape.",
			do:    "A log that cannot be read falls behind: `fremisn-exporter check` shows permissions.",
		}, over(theSite, `max by (cluster, job, instance) (fremisn_exporter_log_lag_bytes{`+balancer+
			`})`), from(good, step{1 << 20, look}, step{64 << 20, bad})),
		oneStat(4, about{
			id: 5, title: "Exporter's config", unit: units.Number, empty: "no exporter",
			shows: "Whether the last reload of the config succeeded.",
			bad:   "REJECTED: the exporter keeps the previous config.",
			do:    "The exporter's log names file, line and key. A reload with a valid file ends this.",
		}, now(theSite, `min by (cluster, job, instance) (fremisn_exporter_config_last_reload_successful{`+balancer+
			`})`), words(word{1, "loaded", good}, word{0, "REJECTED", bad})),
		oneStat(4, about{
			id: 6, title: "Version", unit: units.Number, empty: "no exporter",
			shows: "The exporter's version.",
			bad:   "Different ones on load balancers that should be alike.",
			do:    "Upgrade the older ones.",
		}, now("{{version}}"+atBalancer, `max by (cluster, job, instance, version) (fremisn_exporter_build_info{`+
			balancer+`})`), nameOnly, from(idle)),
	}
}

func coverage() panel {
	return lines(8, about{
		id: 10, title: "Requests counted and lines read", unit: units.RequestsPerSecond,
		empty: "neither a status page nor a log",
		shows: "Requests a second that the status page counts (without the exporter's own), next to lines a second " +
			"that were read from access logs, over 5 minutes.",
		bad: "requests high and lines at zero: the log is not read. Lines above requests: one request is written " +
			"into several logs.",
		do: "`fremisn-exporter check` shows the log's permissions, path and rotation.",
	}, []query{
		over("requests"+atBalancer, sum(byBalancer, "fremisn:status_requests:rate5m", balancer)),
		over("lines"+atBalancer, zero(byBalancer, balancer, sum(byBalancer, "fremisn:requests:rate5m", balancer))),
	}, coloured("requests", idle, "lines", good))
}

func logLines() panel {
	return lines(8, about{
		id: 11, title: "Lines read", unit: units.CountsPerSecond, empty: "no log is read",
		shows: "Lines a second, by log, that were read and understood.",
		bad:   "Zero while NGINX serves requests.",
		do:    "Is it the file that NGINX writes? `fremisn-exporter check` compares both.",
	}, []query{over(atLog, rate(byLog, "fremisn_exporter_log_lines_total", balancer+`,result="parsed"`))})
}

func logLag() panel {
	return lines(8, about{
		id: 12, title: "Unread bytes by log", unit: units.BytesIEC, empty: "no log is read",
		shows: "How much of each log is written and not yet read, right after a scrape has read it.",
		bad:   "A line that does not come back to zero.",
		do:    "The exporter lacks CPU time, the disk is slow, or the log is no longer readable.",
	}, []query{over(atLog, `max by (`+byLog+`) (fremisn_exporter_log_lag_bytes{`+balancer+`})`)})
}

func logUnread() panel {
	return bars(8, about{
		id: 20, title: "Lines not understood", unit: units.Short, empty: "no log is read",
		shows: "How many lines did not fit their log's format, or were longer than 1 MiB. They change no other metric.",
		bad:   "Any for long: the format has changed, but not in the exporter's config.",
		do:    "`fremisn-exporter check` shows the last lines against the format. Reload the exporter after NGINX.",
	}, []query{over("{{result}} "+atLog, events(byLog+", result", "fremisn_exporter_log_lines_total",
		balancer+`,result!="parsed"`))},
		coloured("malformed", bad, "too_long", poor))
}

func logGaps() panel {
	return bars(8, about{
		id: 21, title: "Gaps", unit: units.Short, empty: "no log is read",
		shows: "How many times lines were lost, or may have been, by reason.",
		bad:   "Any bar: rates are too low at that moment.",
		do: "The exporter's log names the file and the bytes. truncated: use rename in logrotate, not " +
			"copytruncate. dropped: syslog datagrams; raise the socket's buffer.",
	}, []query{over("{{reason}} "+atLog, events(byLog+", reason", "fremisn_exporter_log_gaps_total", balancer))})
}

func logRotations() panel {
	return bars(8, about{
		id: 22, title: "Rotations", unit: units.Short, empty: "no log is read",
		shows: "How many times a log was renamed or truncated.",
		bad: "truncated: lines written between the copy and the truncation are lost. None for weeks: the disk " +
			"fills up.",
		do: "logrotate with `create` and `kill -USR1`, not `copytruncate`.",
	}, []query{over("{{kind}} "+atLog, events(byLog+", kind", "fremisn_exporter_log_rotations_total",
		balancer))}, coloured("renamed", idle, "truncated", poor))
}

func seriesDropped() panel {
	return bars(8, about{
		id: 30, title: "New series over max_series", unit: units.Short, empty: "no log is read",
		shows: "How many new label sets came after max_series was reached; they count as “other”.",
		bad:   "Any: totals stay right, details are missing.",
		do:    "Use fewer routes in the config, or a higher max_series.",
	}, []query{over(atLog, events(byLog, "fremisn_exporter_log_series_dropped_total", balancer))})
}

func commits() panel {
	return bars(8, about{
		id: 31, title: "Commits", unit: units.Short, empty: "the state is kept in memory only",
		shows: "How many times positions and counters were written to disk, by result.",
		bad:   "failed: a crash now would count lines twice or not at all.",
		do:    "The exporter's log says why: a full disk, a folder that it cannot write.",
	}, []query{over("{{result}}"+atBalancer, events("cluster, job, instance, result",
		"fremisn_exporter_state_commits_total", balancer))}, coloured("ok", good, "failed", bad))
}

func commitAge() panel {
	return lines(8, about{
		id: 32, title: "Age of the oldest commit", unit: units.Seconds, empty: "nothing committed yet",
		shows: "The age of the oldest saved state of a log. A log without new lines is not saved again.",
		bad:   "Old, and commits fail.",
		do:    "See “Commits”. Without failures, an old one only means a quiet log.",
	}, []query{over(theSite,
		`time() - max by (cluster, job, instance) `+
			`(fremisn_exporter_state_last_commit_timestamp_seconds{`+balancer+`})`)})
}

const everyProbe = balancer + `,node=~"$node"`

func probePace() panel {
	return lines(24, about{
		id: 40, title: "Probes on time", unit: units.PercentUnit, empty: "nothing is probed",
		shows: "Finished probes, as a share of those that the interval in the config asks for.",
		bad:   "Below 100 % for long: probes take longer than their interval. 0: the schedule has stopped.",
		do:    "Is the timeout longer than the interval? `/probes` shows how long each took.",
	}, []query{over(theProbe, rate(byProbe, "probe_attempts_total", everyProbe)+"\n  * on ("+byProbe+") "+`max by (`+
		byProbe+`) (probe_interval_seconds{`+everyProbe+`})`)},
		bound(1))
}

func probeTable() panel {
	return rows(24, about{
		id: 41, title: "Schedule of the probes", unit: units.Number, empty: "nothing is probed",
		shows: "For each probe: its interval in the config and the mean time between two runs, how many failed in a " +
			"row, when it last succeeded, and how many numbers it could not read from a body.",
		bad: "A mean well above the interval.",
		do:  "Many targets with long timeouts do not delay each other: look at this target alone.",
	}, []query{
		column("interval", `max by (`+byProbe+`) (probe_interval_seconds{`+everyProbe+`})`),
		column("every", `1 / (`+rate(byProbe, "probe_attempts_total", everyProbe)+` > 0)`),
		column("failed", `max by (`+byProbe+`) (probe_consecutive_failures{`+everyProbe+`})`),
		column("last success", `max by (`+byProbe+`) (probe_last_success_timestamp_seconds{`+everyProbe+`}) * 1000`),
		column("unread", `sum by (`+byProbe+`) (increase(probe_metric_errors_total{`+everyProbe+`}[`+window+`]))`),
	}, []field{
		{
			"node",
			"Node",
			width(90),
		}, {"probe", "Probe", width(90)}, {"target", "Target", nil}, {"instance", "Instance", width(150)},
		{"interval", "Interval", width(90, unit(units.Seconds, 1))},
		{"every", "Every", width(110, withEmpty("stopped", unit(units.Seconds, 1)))},
		{"failed", "Failed in a row", width(120, unit(units.Short, 0), inColour(good, step{1, poor}, step{2, bad}))},
		{"last success", "Last success", width(150, withEmpty("never", unit(units.DateTimeFromNow, 0)))},
		{
			"unread",
			"Unread numbers",
			width(140, withEmpty("reads none", unit(units.Short, 0), inColour(good, step{1, poor}))),
		},
	})
}

func scrapeDuration() panel {
	return lines(8, about{
		id: 50, title: "Scrape duration", unit: units.Seconds, empty: "never scraped",
		shows: "How long a scrape takes, and how long each collector. Collectors run in parallel.",
		bad:   "Near the scrape timeout: gaps in every graph.",
		do: "access_log: the first scrape after a long pause reads all that was written meanwhile. stub_status: " +
			"NGINX is slow to answer.",
	}, []query{
		over("scrape"+atBalancer, `max by (cluster, job, instance) (scrape_duration_seconds{`+balancer+`})`),
		over(
			"{{collector}}"+atBalancer,
			`max by (cluster, job, instance, collector) (fremisn_exporter_collector_duration_seconds{`+balancer+`})`,
		),
	})
}

func scrapeSamples() panel {
	return lines(8, about{
		id: 51, title: "Samples per scrape", unit: units.Short, empty: "never scraped",
		shows: "How many samples each scrape of the exporter returns, and how many series were new.",
		bad:   "A line that rises for days: labels are unbounded, although max_series should limit them.",
		do:    "See “New series over max_series”; use fewer routes.",
	}, []query{
		over("samples"+atBalancer, `max by (cluster, job, instance) (scrape_samples_scraped{`+balancer+`})`),
		over("new series"+atBalancer, `max by (cluster, job, instance) (scrape_series_added{`+balancer+`})`),
	}, coloured("samples", idle, "new series", poor))
}

func collectorTable() panel {
	return rows(8, about{
		id: 52, title: "Collectors", unit: units.Number, empty: "no exporter",
		shows: "Whether each collector succeeded at the last scrape, and how long it took.",
		bad:   "FAILS.",
		do:    "The exporter's log says why, `fremisn-exporter check` what to do.",
	}, []query{
		column(
			"success",
			`min by (cluster, job, instance, collector) (fremisn_exporter_collector_success{`+balancer+`})`,
		),
		column(
			"duration",
			`max by (cluster, job, instance, collector) (fremisn_exporter_collector_duration_seconds{`+balancer+`})`,
		),
	}, []field{
		{"collector", "Collector", nil}, {"instance", "Instance", nil},
		{"success", "Result", width(90, inWords(word{1, "ok", good}, word{0, "FAILS", bad}))},
		{"duration", "Duration", width(110, unit(units.Seconds, 1))},
	})
}

func cpu() panel {
	return lines(8, about{
		id: 60, title: "CPU time", unit: units.PercentUnit, empty: "never scraped",
		shows: "CPU time of the exporter; 100 % is one core.",
		bad:   "Near 100 % for long: the logs grow faster than one core reads.",
		do:    "Log less. Scraping less often does not help: every line is read once.",
	}, []query{over(theSite, rate(byBalancer, "process_cpu_seconds_total", balancer))})
}

func memory() panel {
	return lines(8, about{
		id: 61, title: "Memory", unit: units.BytesIEC, empty: "never scraped",
		shows: "Memory of the exporter: resident, and in use by Go.",
		bad:   "A line that rises for days.",
		do:    "Restart it (no count is lost), and report it with the number of series.",
	}, []query{
		over("resident"+atBalancer, `max by (cluster, job, instance) (process_resident_memory_bytes{`+balancer+`})`),
		over("in use"+atBalancer, `max by (cluster, job, instance) (go_memstats_heap_inuse_bytes{`+balancer+`})`),
	}, coloured("resident", idle, "in use", good))
}

func descriptors() panel {
	return lines(8, about{
		id: 62, title: "Open files and goroutines", unit: units.Short, empty: "never scraped",
		shows: "Open files (logs, sockets of probes and scrapes), and goroutines.",
		bad:   "A line that rises for days. Open files near the process limit: logs and probes fail.",
		do:    "Many targets need many sockets: raise LimitNOFILE. A rise without new targets is a bug: report it.",
	}, []query{
		over("open files"+atBalancer, `max by (cluster, job, instance) (process_open_fds{`+balancer+`})`),
		over("goroutines"+atBalancer, `max by (cluster, job, instance) (go_goroutines{`+balancer+`})`),
	}, coloured("open files", idle, "goroutines", good))
}
