// Package probe checks whether servers are well: the probers and modules of blackbox_exporter v0.28, run on a clock
// (every target on its own, never two probes of one target at a time) or on demand (/probe). A failed probe has a
// reason.
//
// A module is prepared once (service.go): its transports and TLS settings are built then and shared by all its probes,
// which have connections of their own all the same. A prober is a function of the map in result.go; it writes what it
// finds to a trace, which becomes a Result: samples, phases, reason, log. One timetable starts the probes of all
// targets (timetable.go), which add results up and keep the last ones (schedule.go, history.go), in little memory: a
// result shares its words with those before (kept.go), and a latency is plain integers (latency.go). /metrics is built
// of them in families.go, one family at a time. /probe gives a single result (handler.go) of the targets that the guard
// allows. Targets may also come from files (files.go).
//
// A probe is one request on one connection, whatever a server does (transports.go), and a module's credentials go to
// the origin of the target alone (origin.go, auth.go). Secrets are hidden by package mask.
//
// Where it differs from blackbox_exporter: a body is kept up to 10 MiB for expressions (body_size_limit raises that);
// expressions and CEL see the same body, where there CEL gets what the expressions left. A grpc probe keeps its time
// limit, and takes IPv6 addresses. An http probe by HTTP/3 uses the address that was looked up, shows credentials, and
// refuses a proxy. Redirects carry no credentials to another origin, and no body. OAuth2 tokens are kept while they are
// valid. A target may begin with HTTP:// in capitals. What is sent in conversations is not logged, and secrets are
// hidden wherever a server repeats them. Mistakes that show there when a probe runs (an unknown prober, rcode or
// compression, a bad expression of a dns module) are errors of the config. The scrape's timeout holds even where the
// offset would leave nothing of it. Relative file names are those of the working directory, as there, but for files of
// targets: those are relative to the config file, as in Prometheus.
package probe
