package settings

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestObjectives(t *testing.T) {
	const nginx = "nginx:\n  routes: [{name: enrollment, match: ^/e}]\n"
	for name, test := range map[string]struct {
		config string
		want   map[string]Objective
	}{
		"none given": {nginx, map[string]Objective{"": {0.99, 2500 * time.Millisecond, 0.95}}},
		"a route has the rest of all": {nginx + `objectives:
  availability: 0.999
  latency: {within: 1s}
  routes:
    enrollment: {availability: 0.995, latency: {within: 5s}}
    other: {latency: {ratio: 0.9}}
`, map[string]Objective{"": {0.999, time.Second, 0.95}, "enrollment": {0.995, 5 * time.Second, 0.95}, "other": {0.999,
			time.Second, 0.9}}},
		"the default is not a bucket": {"nginx: {latency_buckets: [1, 2, 4, 8]}\n",
			map[string]Objective{"": {0.99, 4 * time.Second, 0.95}}},
		"the default is above every one": {"nginx: {latency_buckets: [1, 2]}\n",
			map[string]Objective{"": {0.99, 2 * time.Second, 0.95}}},
		"no config file": {"", map[string]Objective{"": {0.99, 2500 * time.Millisecond, 0.95}}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, loadText(t, test.config,
				"events {}\nhttp { access_log off; }\n").Objectives); diff != "" {
				t.Error(diff)
			}
		})
	}
}
