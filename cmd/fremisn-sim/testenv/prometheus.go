package testenv

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Prometheus is a real Prometheus.
type Prometheus struct {
	*Process
	URL string
}

// StartPrometheus runs Prometheus with a complete configuration, in dir, on address; "" chooses a free one. An option
// is a flag ("--…") or a feature to enable beside that of exemplars.
func StartPrometheus(ctx context.Context, dir, config, address string, options ...string) (*Prometheus, error) {
	binary, err := Find("prometheus")
	if err != nil {
		return nil, err
	}
	if address == "" {
		if address, err = FreeAddress("127.0.0.1"); err != nil {
			return nil, err
		}
	}
	file := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		return nil, err
	}
	features, flags := []string{"exemplar-storage"}, []string{
		"--config.file=" + file, "--storage.tsdb.path=" + filepath.Join(dir, "tsdb"), "--web.listen-address=" +
			address, "--log.level=warn",
	}
	for _, option := range options {
		if strings.HasPrefix(option, "--") {
			flags = append(flags, option)
		} else {
			features = append(features, option)
		}
	}
	p := &Prometheus{URL: "http://" + address}
	p.Process, err = start("prometheus", binary, append(flags, "--enable-feature="+strings.Join(features, ","))...)
	if err != nil {
		return nil, err
	}
	return p, p.ready(ctx)
}

func (p *Prometheus) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		if response, err := http.Get(p.URL + "/-/ready"); err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-p.exited:
			return fmt.Errorf("prometheus has ended:\n%s", p.Output())
		case <-ctx.Done():
			p.Kill()
			return fmt.Errorf("prometheus does not become ready:\n%s", p.Output())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// A Sample is one series of an instant query.
type Sample struct {
	Labels map[string]string
	Value  float64
}

// Query returns an expression's present value.
func (p *Prometheus) Query(expression string) ([]Sample, error) {
	var answer struct {
		Status, Error string
		Data          struct {
			ResultType string
			Result     json.RawMessage
		}
	}
	if err := p.Get("/api/v1/query?query="+url.QueryEscape(expression), &answer); err != nil {
		return nil, fmt.Errorf("%s: %w", expression, err)
	}
	if answer.Status != "success" {
		return nil, fmt.Errorf("%s: %s", expression, answer.Error)
	}
	if answer.Data.ResultType != "vector" {
		return nil, fmt.Errorf("%s returned a %s", expression, answer.Data.ResultType)
	}
	var rows []struct {
		Metric map[string]string
		Value  [2]any
	}
	if err := json.Unmarshal(answer.Data.Result, &rows); err != nil {
		return nil, err
	}
	var samples []Sample
	for _, row := range rows {
		text, _ := row.Value[1].(string)
		value, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return nil, err
		}
		samples = append(samples, Sample{row.Metric, value})
	}
	return samples, nil
}

// Get reads JSON from Prometheus' API.
func (p *Prometheus) Get(path string, into any) error {
	response, err := http.Get(p.URL + path)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	return json.Unmarshal(body, into)
}
