package main

import (
	"context"
	"io"

	"github.com/fremisn/fremisn-exporter/collector/past"
)

// runWhatIf is the command whatif.
func runWhatIf(ctx context.Context, cli *commandLine, stdout, stderr io.Writer) int {
	var tries []past.Try
	for _, text := range cli.past.tries {
		try, err := past.ParseTry(text)
		if err != nil {
			return cli.usage(stderr, err)
		}
		tries = append(tries, try)
	}
	return runPast(ctx, cli, stdout, stderr, func(o past.Options) (pastReport, []error, error) {
		return past.AskWhatIf(ctx, o, tries)
	})
}
