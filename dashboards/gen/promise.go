package main

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
)

// A promise is the objective if the exporter's config has none: these numbers are in the recording rules and are read
// from there. Colours change at them; lines and budgets use the exporter's objectives.
type promise struct {
	availability float64 // the share of requests that are served
	fast         float64 // the share of those served that are answered within bound
	bound        float64 // seconds
}

var (
	availabilityRule = regexp.MustCompile(`record: fremisn:availability:objective\s+expr: \|[^-]*\+ ([0-9.]+)`)
	latencyRule      = regexp.MustCompile(`record: fremisn:latency:objective\s+expr: \|[^-]*\+ ([0-9.]+)`)
	boundInRules     = regexp.MustCompile(`record: fremisn:latency_bound:seconds\s+expr: \|[^-]*\+ ([0-9.]+)`)
)

func readPromise(rules string) (promise, error) {
	text, err := os.ReadFile(rules)
	if err != nil {
		return promise{}, err
	}
	var p promise
	for _, number := range []struct {
		where *regexp.Regexp
		into  *float64
	}{{availabilityRule, &p.availability}, {latencyRule, &p.fast}, {boundInRules, &p.bound}} {
		found := number.where.FindAllSubmatch(text, -1)
		if len(found) == 0 {
			return promise{}, fmt.Errorf("%s: nothing fits %s", rules, number.where)
		}
		for _, f := range found {
			if string(f[1]) != string(found[0][1]) {
				return promise{}, fmt.Errorf("%s: both %s and %s for %s", rules, found[0][1], f[1], number.where)
			}
		}
		if *number.into, err = strconv.ParseFloat(string(found[0][1]), 64); err != nil {
			return promise{}, fmt.Errorf("%s: %w", rules, err)
		}
	}
	return p, nil
}

func percent(share float64) string { return strconv.FormatFloat(100*share, 'g', 6, 64) + " %" }
