// Package logformat reads access-log lines by NGINX's log_format.
//
// A log_format is literals between variables. Compile turns one into a Program: steps, each of which reads one value
// and matches the literal after it. A Parser runs the steps over a line and fills a Record. Every value must have the
// shape that NGINX gives it, so that no line fits a format by accident: a status is three digits, a time is N.NNN, an
// address has neither spaces nor quotes, and the lists of a line have equal numbers of elements. A Record is valid only
// if the line fits completely.
//
// There are three ways to read a line, each for what the previous one rejects:
//
//   - The fast path (fast_*.go) reads the usual form of values. fast.go has its rules.
//   - The slow path (parse.go, list.go) reads any value, and ends it at the first occurrence of the literal after it.
//     NGINX's escaping makes this stricter: under escape=default no value has a quote, under escape=json a backslash
//     precedes a quote in a value. The variables $upstream_* are lists whose separators ", " and " : " may look like
//     the literal after them, so the slow path reads an unquoted list by its grammar.
//   - The second reading (search*.go) finds any way in which the line fits, since clients choose the content of many
//     values.
//
// All three give the same Record for the same line: tests and fuzz targets compare them with each other and with a
// reference of regular expressions (logtest.Reference).
//
// Reading a line allocates nothing once the addresses of the upstream servers have been seen. A Program is immutable
// and may be shared; a Parser and its Records belong to one goroutine.
package logformat
