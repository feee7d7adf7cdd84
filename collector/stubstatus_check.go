package collector

import (
	"context"
	"fmt"

	"github.com/fremisn/fremisn-exporter/collector/source"
)

// CheckStatus fetches a stub_status page once and returns its numbers in words.
func CheckStatus(ctx context.Context, c source.StatusConfig) (string, error) {
	page, err := c.NewPage()
	if err != nil {
		return "", err
	}
	defer page.Close()
	stats, err := page.Fetch(ctx)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("active connections: %d, requests: %d", stats.Active, stats.Requests), nil
}
