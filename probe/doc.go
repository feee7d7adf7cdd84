// Package probe asks servers whether they are well: the probers and modules of blackbox_exporter v0.28, run on a clock
// (every target on its own, never two probes of one target at a time) or on demand (/probe), with the reason told when
// the answer is no.
//
// A module is prepared once (service.go): its transports and TLS settings are built then and shared by all its probes,
// which have connections of their own all the same. A prober is a function of the map in result.go; it writes what it
// finds to a trace, which becomes a Result: samples, phases, reason, log. Targets add results up and keep the last ones
// (schedule.go, history.go, collector.go); /probe gives a single one (handler.go), to those whom the guard lets in.
//
// Where it differs from blackbox_exporter: a body is kept up to 10 MiB for expressions (body_size_limit raises that), what
// is sent in conversations is not logged, a grpc probe heeds its time limit, OAuth2 tokens are kept while they are
// valid, relative file names are those of the working directory as there, and HTTP/3 is refused.
package probe
