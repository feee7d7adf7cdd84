// Package collector is NGINX seen by Prometheus: its status page, its logs and its configuration, turned into
// metrics. It is the only package under collector/ that imports client_golang.
//
// How a byte of a log becomes a sample. A follower (internal/tail) lends blocks of whole lines and knows the position
// after each; the wrapping of a container runtime is stripped (internal/container). A counter adds the lines to plain
// integers (internal/ledger): for access logs a compiled log_format (internal/logformat) reads
// each line into a Record (internal/accesslog), for error logs each entry becomes an event (internal/errorlog). One
// goroutine a log, the pipeline (internal/follow), owns follower and counter. A scrape asks that goroutine to read to
// the end of the file and to commit position and counts as one record (internal/statefile); what it publishes has been
// committed, and only this package turns it into metrics.
//
// The table of metrics (internal/metric) has name, help, type, labels and variables of each; descriptors, the ledger's
// families, the check of what a log_format lacks and the list that the program prints come from it.
//
// Slow things are tasks: a caller waits at most for the task's patience, which shrinks to a tenth while the task is
// late. The observed logs and pages are immutable and swapped by a reload; Collector.mu guards the swap, and is never
// held across a lookup, a disk or another goroutine. Reloads run one at a time: each waits for a token, at most until
// its context ends.
//
// Durations are kept in whole milliseconds, as NGINX writes them, so sums are exact. Each histogram is exposed as a
// classic one, with the bounds of latency_buckets (connecting has finer ones), and as a native one of schema 3 (eight
// buckets for each doubling, so that a quantile's error is at most 4.5 %) with at most 160 buckets: if more are filled,
// two become one. Both are sums over the same joint buckets. Each classic bucket has the request_id of its
// latest observation for an exemplar.
//
// Who may import whom: this package imports nginxconf, source and internal/*. Nothing below it imports client_golang,
// and neither this package nor probe imports the other: cmd passes values. A test holds these directions.
package collector
