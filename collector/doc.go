// Package collector is NGINX seen by Prometheus: its status page, its logs and its configuration, turned into
// metrics. It is the only package here that knows client_golang.
//
// How a byte of a log becomes a sample. A follower (internal/tail) lends blocks of whole lines and knows the
// cursor after each. A book counts them: for access logs a compiled log_format (internal/logformat) reads each
// line into a Record, and a ledger (internal/ledger) adds the record to plain integers; for error logs
// internal/errlog names the event. One goroutine a log, the pipeline, owns follower and book. A scrape asks that
// goroutine to read to the end of the file, to commit cursor and counts as one record (internal/statefile), and
// to publish what it committed; only then is it turned into metrics.
//
// Durations are kept in whole milliseconds, as NGINX writes them, so sums are exact. Each histogram is given as a classic
// one, with the bounds of latency_buckets, and as a native one of schema 3 (eight buckets for each doubling, which puts
// a quantile off by at most 4.5 %) with at most 160 buckets: where more are filled, two become one. Both are sums over
// the same joint buckets. Each classic bucket has the request_id of its latest observation for an exemplar.
//
// Who may import whom: this package imports nginxconf and internal/*; those import the standard library, except
// that ledger knows logformat's Record and statefile knows tail's Cursor. Nothing under internal/ imports
// client_golang, and neither this package nor probe imports the other: cmd hands values across.
package collector
