package main

import (
	"context"
	"io"

	"github.com/fremisn/fremisn-exporter/collector/past"
)

// runExplain is the command explain.
func runExplain(ctx context.Context, cli *commandLine, stdout, stderr io.Writer) int {
	return runPast(ctx, cli, stdout, stderr, func(o past.Options) (pastReport, []error, error) {
		return past.Explain(ctx, o, cli.past.errorLogs)
	})
}
