package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-exporter/internal/verdict"
)

// runHealthcheck is the command healthcheck: it asks a running exporter whether it is healthy. It is for containers
// that hold only this program, so it asks this host and does not verify certificates.
//
// An exporter that gives no verdict is not healthy. What the verdict is does not matter here: nodes that are down are
// no reason to restart the exporter that reports them. It is printed, and so it is in Docker's log of health checks.
func runHealthcheck(ctx context.Context, cli *commandLine, stdout, stderr io.Writer) int {
	ctx, cancel := context.WithTimeout(ctx, 4*time.Second) // Docker gives it 5 s, and would not say why it failed
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, cli.healthAddress, nil)
	if err != nil {
		return cli.usage(stderr, err)
	}
	client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	sentence, err := askHealth(&client, request)
	if err != nil {
		fmt.Fprintf(stderr, "%s: not healthy: %s\n", programName, err)
		return exitFailed
	}
	fmt.Fprintln(stdout, "healthy"+sentence)
	return exitOK
}

// askHealth asks the health page, then for the verdict, and returns what to say of it.
func askHealth(client *http.Client, request *http.Request) (string, error) {
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("answered %s", response.Status)
	}
	request.URL = request.URL.JoinPath("../../api/v1/status") // a path prefix stays
	if response, err = client.Do(request); err != nil {
		return "", err
	}
	defer response.Body.Close()
	switch response.StatusCode {
	case http.StatusOK:
	case http.StatusNotFound, http.StatusServiceUnavailable: // it is at another prefix; too many ask at once
		return "", nil
	default:
		return "", fmt.Errorf("no verdict: answered %s", response.Status)
	}
	var status verdict.Status
	if err := json.NewDecoder(response.Body).Decode(&status); err != nil {
		return "", fmt.Errorf("no verdict: %w", err)
	}
	if status.Verdict == "" {
		return "", errors.New("no verdict in the answer")
	}
	return fmt.Sprintf("; %s since %s: %s", status.Verdict, status.Since.Format(time.RFC3339), status.Sentence), nil
}
