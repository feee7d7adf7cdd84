// Package logformat reads access-log lines by NGINX's log_format.
//
// A log_format is literals between variables. Compile turns one into a Program: steps, each of which reads one value
// and matches the literal after it. A Parser runs the steps over a line and fills a Record. Every value must have the
// shape that NGINX gives it, so that a line does not fit a format by luck: a status is three digits, a time is N.NNN,
// an address has neither space nor quote, lists have as many elements as each other. A Record is valid only if the
// line fits completely.
//
// There are three ways to read a line, each for what the previous one rejects:
//
//   - The fast path (fast_*.go) reads what almost all lines look like. Its rules stand in fast.go.
//   - The slow path (parse.go, list.go) reads any value, and takes the first place where the literal after it stands
//     for its end. What NGINX's escaping keeps out of a value makes it stricter: under escape=default no value holds
//     a quote, under escape=json a quote in a value follows a backslash. The variables $upstream_* are lists whose
//     separators ", " and " : " may look like the literal after them, so a list that stands unquoted is read by its
//     grammar.
//   - The second reading (search*.go) finds any way in which the line fits, for clients choose what stands in many
//     values.
//
// Whatever the way, the same line gives the same Record: tests and fuzz targets compare the three with each other and
// with a reference of regular expressions (logtest.Reference).
//
// Nothing is allocated for a line once the addresses of the upstream servers have been seen. A Program is immutable
// and may be shared; a Parser and its Records belong to one goroutine.
package logformat
