package main

import (
	"context"
	"fmt"
	"io"

	"github.com/fremisn/fremisn-exporter/collector/past"
)

// runBackfill is the command backfill.
func runBackfill(ctx context.Context, cli *commandLine, stdout, stderr io.Writer) int {
	if err := past.CheckLabels(cli.past.labels); err != nil {
		return cli.usage(stderr, err)
	}
	if cli.past.step <= 0 {
		return cli.usage(stderr, fmt.Errorf("--step %s: write a time above zero, such as 15s", cli.past.step))
	}
	to := past.BackfillOptions{Dir: cli.past.dir, Step: cli.past.step, Labels: cli.past.labels}
	return runPast(ctx, cli, stdout, stderr, func(o past.Options) (pastReport, []error, error) {
		return past.Backfill(ctx, o, to)
	})
}
