// Package probe asks servers whether they are well: blackbox_exporter's probers and modules, run on a clock
// (every target on its own) or on demand (/probe), with the reason told when the answer is no.
package probe
