package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"time"
)

// runHealthcheck is the command healthcheck: it asks a running exporter whether it is healthy. It is for containers
// that hold only this program, so it asks this host and does not verify certificates.
func runHealthcheck(ctx context.Context, cli *commandLine, stdout, stderr io.Writer) int {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, cli.healthAddress, nil)
	if err != nil {
		return cli.usage(stderr, err)
	}
	client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	response, err := client.Do(request)
	if err != nil {
		fmt.Fprintf(stderr, "%s: not healthy: %s\n", programName, err)
		return exitFailed
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		fmt.Fprintf(stderr, "%s: not healthy: answered %s\n", programName, response.Status)
		return exitFailed
	}
	fmt.Fprintln(stdout, "healthy")
	return exitOK
}
