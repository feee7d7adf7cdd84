package main

import (
	"context"
	"io"

	"github.com/fremisn/fremisn-exporter/collector/past"
)

// runAnalyze is the command analyze.
func runAnalyze(ctx context.Context, cli *commandLine, stdout, stderr io.Writer) int {
	return runPast(ctx, cli, stdout, stderr, func(o past.Options) (pastReport, []error,
		error) {
		return past.Analyze(ctx, o)
	})
}
