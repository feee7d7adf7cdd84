package main

import (
	"context"
	"fmt"
	"io"

	"github.com/go-kit/log"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-exporter/internal/check"
	"github.com/fremisn/fremisn-exporter/cmd/fremisn-exporter/internal/settings"
	"github.com/fremisn/fremisn-exporter/probe"
)

// runCheck is the command check.
func runCheck(ctx context.Context, cli *commandLine, stdout, stderr io.Writer) int {
	if cli.printFormat {
		return printFormats(ctx, cli, stdout, stderr)
	}
	report := check.Run(ctx, check.Options{
		Source: cli.source, StoragePath: cli.storagePath, Web: cli.web, TimeoutOffset: cli.timeoutOffset,
		OlderState: cli.olderState(),
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

// printFormats is check --print-format.
func printFormats(ctx context.Context, cli *commandLine, stdout, stderr io.Writer) int {
	s, err := settings.Load(ctx, cli.source)
	if err != nil {
		fmt.Fprintln(stderr, err)
		return exitUsage
	}
	check.PrintFormats(stdout, s)
	return exitOK
}

// checkConfig is --config.check: it reads the config and reports whether it is valid.
func checkConfig(ctx context.Context, cli *commandLine, stdout, stderr io.Writer) int {
	s, err := settings.Load(ctx, cli.source)
	if err == nil {
		_, err = probe.New(probe.Options{Config: s.Probe, Nodes: s.NodeNames(), Logger: log.NewNopLogger()})
	}
	if err != nil {
		fmt.Fprintln(stderr, err)
		return exitUsage
	}
	fmt.Fprintln(stdout, "the config is valid")
	return exitOK
}
