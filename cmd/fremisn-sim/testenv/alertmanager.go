package testenv

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
)

// Alertmanager is a real Alertmanager.
type Alertmanager struct {
	*Process
	URL string
}

// StartAlertmanager runs Alertmanager with a configuration file, by itself, with its data in dir.
func StartAlertmanager(ctx context.Context, dir, config string) (*Alertmanager, error) {
	binary, err := Find("prometheus-alertmanager")
	if err != nil {
		return nil, err
	}
	address, err := FreeAddress("127.0.0.1")
	if err != nil {
		return nil, err
	}
	a := &Alertmanager{URL: "http://" + address}
	a.Process, err = start("alertmanager", binary, "--config.file="+config, "--storage.path="+filepath.Join(dir,
		"alertmanager"),
		"--web.listen-address="+address, "--cluster.listen-address=")
	if err != nil {
		return nil, err
	}
	return a, a.answers(ctx, address)
}

// Send sends alerts to Alertmanager, as Prometheus does.
func (a *Alertmanager) Send(labels ...map[string]string) error {
	var alerts []map[string]any
	for _, l := range labels {
		alerts = append(alerts, map[string]any{"labels": l})
	}
	body, err := json.Marshal(alerts)
	if err != nil {
		return err
	}
	response, err := http.Post(a.URL+"/api/v2/alerts", "application/json", bytes.NewReader(body))
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if text, err := io.ReadAll(response.Body); err != nil || response.StatusCode != http.StatusOK {
		return fmt.Errorf("alertmanager: %s %s %v", response.Status, text, err)
	}
	return nil
}

// An AlertState is Alertmanager's state of an alert.
type AlertState struct {
	Labels map[string]string
	Status struct {
		State       string // unprocessed, active or suppressed
		InhibitedBy []string
	}
}

// Alerts returns those that Alertmanager knows.
func (a *Alertmanager) Alerts() ([]AlertState, error) {
	response, err := http.Get(a.URL + "/api/v2/alerts")
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	var all []AlertState
	err = json.NewDecoder(response.Body).Decode(&all)
	return all, err
}
