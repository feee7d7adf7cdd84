package testenv

import (
	"context"
	"path/filepath"
)

// StartVictoriaMetrics runs VictoriaMetrics in dir. It accepts remote writes at /api/v1/write and answers Prometheus'
// queries.
func StartVictoriaMetrics(ctx context.Context, dir string) (*Prometheus, error) {
	binary, err := Find("victoria-metrics")
	if err != nil {
		return nil, err
	}
	address, err := FreeAddress("127.0.0.1")
	if err != nil {
		return nil, err
	}
	p := &Prometheus{URL: "http://" + address}
	// Queries must see the latest samples.
	p.Process, err = start("victoria-metrics", binary, "-storageDataPath="+filepath.Join(dir, "victoria"),
		"-httpListenAddr="+address,
		"-search.latencyOffset=0s", "-search.disableCache", "-loggerLevel=WARN")
	if err != nil {
		return nil, err
	}
	return p, p.answers(ctx, address)
}
