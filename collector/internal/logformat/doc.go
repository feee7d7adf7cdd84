// Package logformat reads access-log lines by NGINX's log_format.
//
// A log_format is literals between variables. Compile turns one into steps, each of which reads one value and
// matches the literal after it; a Parser runs the steps over a line. A value runs to the next whole literal, except
// that what NGINX's escaping keeps out of a value is used to be stricter: under escape=default no value holds a
// quote, under escape=json a quote in a value follows a backslash. The variables $upstream_* are lists whose
// separators ", " and " : " may look like the literal after them, so a list that stands unquoted is read by
// its grammar.
//
// A line is validated as a whole before its Record is given away: numbers are numbers, a status is three digits, lists
// have as many elements as each other. Reading allocates nothing once the addresses of the upstream servers are
// known.
package logformat
