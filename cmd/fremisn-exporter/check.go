package main

import (
	"context"
	"fmt"
	"io"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-exporter/internal/check"
)

// runCheck is the command check.
func runCheck(ctx context.Context, cli *commandLine, stdout, stderr io.Writer) int {
	report := check.Run(ctx, check.Options{
		Source: cli.source, StoragePath: cli.storagePath, Web: cli.web, TimeoutOffset: cli.timeoutOffset,
	})
	if cli.output == "json" {
		if err := report.JSON(stdout); err != nil {
			fmt.Fprintf(stderr, "%s: writing the report: %s\n", programName, err)
			return exitFailed
		}
	} else {
		report.Text(stdout)
	}
	if !report.OK() {
		return exitFailed
	}
	return exitOK
}
