package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-exporter/internal/verdict"
	"github.com/fremisn/fremisn-exporter/collector"
)

// TestOutcomesAreTheSame: gather hands over counts by their place alone.
func TestOutcomesAreTheSame(t *testing.T) {
	if diff := cmp.Diff(collector.Outcomes(), verdict.OutcomeNames()); diff != "" {
		t.Error(diff)
	}
}
