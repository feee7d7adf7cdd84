package main

import (
	"fmt"
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/units"
)

const (
	licensed = balancer + `,node=~"$node"`
	byQuota  = "cluster, job, instance, node, target, quota"
	theQuota = "{{quota}} {{node}}" + atBalancer
)

// Ratios of a used quota from which on it is high, and too high; FremisnLicenceQuotaHigh fires at the second.
const (
	quotaWarns = 0.75
	quotaHigh  = 0.9
)

var quotaColours = from(good, step{quotaWarns, look}, step{quotaHigh, bad})

// Days before a certificate ends; FremisnCertificateExpiring fires at the first.
const (
	certificateSoon  = 14
	certificateLater = 30
)

// licence answers: which quota runs out, when; and which certificate.
func licence() *board {
	b := newBoard("fremisn-licence", "Fremisn / Licence and TLS",
		"What runs out, and when: quotas of FREMIS-N's licence on each node, and certificates that the probes see.")
	b.row("Does anything run out?")
	b.line(4, runningOut()...)
	b.row("Licence: which quota, and when?")
	b.line(7, quotaTable())
	b.line(9, quotaOverTime(), quotaForecast())
	b.row("Licence: can its usage be read?")
	b.line(7, licenceFaults(), licenceUnread())
	b.row("TLS: which certificate?")
	b.line(8, certificateTable(), certificateDays())
	return b
}

func quotaUsed(selector string) string {
	return `max by (` + byQuota + `) (fremisn:license_used:ratio{` + selector + `})`
}

func quota(metric string) string {
	if strings.HasSuffix(metric, ":predict14d") || strings.HasSuffix(metric, ":seconds") {
		// recorded once in 5 minutes
		return `max by (` + byQuota + `) (last_over_time(` + metric + `{` + licensed + `}[10m]))`
	}
	return `max by (` + byQuota + `) (` + metric + `{` + licensed + `})`
}

var forecast = "clamp_min(" + quota("fremisn:license_used:predict14d") + ", 0)"

const certificateLeft = `min by (` + byProbe + `) (probe_ssl_earliest_cert_expiry{` + licensed + `}) - time()`

func runningOut() []panel {
	return []panel{
		oneStat(6, about{
			id: 1, title: "Fullest quota", unit: units.PercentUnit, empty: "no licence data",
			shows: "The fullest quota of all nodes.",
			bad:   fmt.Sprintf("Above %g %%. At 100 %% enrolments fail with an error.", 100*quotaHigh),
			do:    "Order more, or delete what is not needed; the table shows which quota and node.",
		}, now("{{quota}} {{node}}"+atBalancer, "topk by (cluster) (1, "+quotaUsed(licensed)+")"), decimals(1),
			quotaColours),
		oneStat(6, about{
			id: 2, title: "First quota full in", unit: units.Seconds, empty: "not filling up",
			shows: "When the first quota is used up at the pace of the last day.",
			bad:   "Less than 14 days.",
			do:    "Order more in time.",
		}, now("{{quota}} {{node}}"+atBalancer, "bottomk by (cluster) (1, "+quota("fremisn:license_full:seconds")+
			")"), decimals(0), from(bad, step{14 * day, look}, step{60 * day, good})),
		oneStat(6, about{
			id: 3, title: "Licence faults", unit: units.Short, empty: "nothing is probed",
			shows: "How many probes in the time range met a licence fault of FREMIS-N.",
			bad:   "Any: the node refuses work, or its licence is unknown.",
			do:    "See “Licence faults by node”; then the node's licence server.",
		}, over(theSite, events(byBalancer, "probe_failures_total",
			licensed+`,reason="license"`)), added, decimals(0), from(good, step{1, bad})),
		oneStat(6, about{
			id: 4, title: "First certificate expires in", unit: units.Seconds, empty: "no probe uses TLS",
			shows: "How long until the first of the certificates that the probes see expires.",
			bad:   fmt.Sprintf("Less than %d days. Below zero it has expired.", certificateSoon),
			do:    "Renew it, and reload the server that uses it. The table shows which.",
		}, now("{{probe}} {{target}}"+atBalancer, "bottomk by (cluster) (1, "+certificateLeft+")"), decimals(0),
			from(bad, step{certificateSoon * day, look}, step{certificateLater * day, good})),
	}
}

const day = 86400

func quotaTable() panel {
	return rows(24, about{
		id: 10, title: "Quotas", unit: units.Number, empty: "no licence data",
		shows: "Every quota of every node: used, allowed, the share, what will be used in 14 days at the pace of " +
			"the last day, and when it will be full.",
		bad: "A share above 90 %, or a forecast above the limit.",
		do:  "Order more, or delete what is not needed. Click a node for its page.",
	}, []query{
		column("used", quota("fremisn_license_used")),
		column("allowed", quota("fremisn_license_limit")),
		column("share", quotaUsed(licensed)),
		column("forecast", forecast),
		column("full in", quota("fremisn:license_full:seconds")),
	}, []field{
		{"node", "Node", linked("Open this node", nodeOfRow)},
		{"quota", "Quota", nil}, {"target", "Target", nil}, {"instance", "Instance", nil}, {"job", "Job", hidden()},
		{"used", "Used", width(90, unit(units.Short, 0))},
		{"allowed", "Allowed", width(100, withEmpty("unknown", unit(units.Short, 0)))},
		{
			"share",
			"Share",
			width(90, unit(units.PercentUnit, 1), inColour(good, step{quotaWarns, look}, step{quotaHigh, bad})),
		},
		{"forecast", "In 14 days", width(130, withEmpty("unknown yet", unit(units.Short, 0)))},
		{
			"full in",
			"Full in",
			width(
				130,
				withEmpty(
					"not filling up",
					unit(units.Seconds, 0),
					inColour(bad, step{14 * day, look}, step{60 * day, good}),
				),
			),
		},
	})
}

func quotaOverTime() panel {
	return lines(12, about{
		id: 11, title: "Used share of each quota", unit: units.PercentUnit, empty: "no licence data",
		shows: "How much of each quota is used; dashed, where an alert fires.",
		bad:   "A line at the dashed one. A jump: someone enrols in bulk.",
		do:    "See who enrols: requests by route in the Overview.",
	}, []query{over(theQuota, quotaUsed(licensed))}, colouredByNode, bound(quotaHigh), upTo(1))
}

func quotaForecast() panel {
	return lines(12, about{
		id: 12, title: "Used now and in 14 days", unit: units.Short, empty: "no licence data",
		shows: "What is used now, what will be used in 14 days at the pace of the last day (dashed yellow), and the " +
			"limit (dashed).",
		bad: "A forecast above the limit.",
		do:  "Order more before then. A forecast after a bulk import is too high: wait a day.",
	}, []query{
		over("used "+theQuota, quota("fremisn_license_used")),
		over("in 14 days "+theQuota, forecast),
		over("allowed "+theQuota, quota("fremisn_license_limit")),
	}, colouredByNode, dashed("in 14 days", look), dashed("allowed", neutral))
}

func licenceFaults() panel {
	return bars(12, about{
		id: 20, title: "Licence faults by node", unit: units.Short, empty: "nothing is probed",
		shows: "How many probes found one of FREMIS-N's licence messages in the answer, such as “License has not " +
			"been initialized”.",
		bad: "Any bar: the node refuses work.",
		do:  "Check the node's licence and its connection to the licence server.",
	}, []query{over(theNode, events("cluster, job, instance, node", "probe_failures_total",
		licensed+`,reason="license"`))}, colouredByNode)
}

func licenceUnread() panel {
	return bars(12, about{
		id: 21, title: "Usage that could not be read", unit: units.Short, empty: "no probe reads numbers",
		shows: "How many times an answer lacked a number that it should have had, by metric.",
		bad:   "Any for long: the usage is unknown, and no alert can warn.",
		do:    "Does the node require a token? Has its answer changed? `fremisn-exporter probe` shows it.",
	}, []query{over("{{metric}} {{node}}"+atBalancer, events("cluster, job, instance, node, metric",
		"probe_metric_errors_total", licensed))})
}

func certificateTable() panel {
	return rows(14, about{
		id: 30, title: "Certificates", unit: units.Number, empty: "no probe uses TLS",
		shows: "For each probe that uses TLS: when the first certificate of its chain expires, and the TLS version.",
		bad:   fmt.Sprintf("Less than %d days.", certificateSoon),
		do:    "Renew it, reload the server; the next probe sees the new one.",
	}, []query{
		column("ends in", certificateLeft),
		column("ends", `min by (`+byProbe+`) (probe_ssl_earliest_cert_expiry{`+licensed+`}) * 1000`),
		column("tls", `max by (`+byProbe+`, version) (probe_tls_version_info{`+licensed+`})`),
	}, []field{
		{
			"node",
			"Node",
			width(90),
		}, {"probe", "Probe", width(90)}, {"target", "Target", nil}, {"instance", "Instance", width(150)},
		{
			"ends in",
			"Expires in",
			width(
				120,
				unit(units.Seconds, 0),
				inColour(bad, step{certificateSoon * day, look}, step{certificateLater * day, good}),
			),
		},
		{"ends", "Expires", width(180, unit(units.DatetimeISO, 0))},
		{"version", "TLS", nil},
	})
}

func certificateDays() panel {
	return lines(10, about{
		id: 31, title: "Certificate time left", unit: units.Seconds, empty: "no probe uses TLS",
		shows: "How long each certificate is still valid. It jumps up at a renewal.",
		bad:   fmt.Sprintf("Below the dashed line (%d days): the renewal has failed.", certificateSoon),
		do:    "See the log of the program that renews it.",
	}, []query{over("{{probe}} {{target}}"+atBalancer, certificateLeft)}, bound(certificateSoon*day))
}
