package settings

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-exporter/strictyaml"
	"github.com/fremisn/fremisn-exporter/collector/source"
)

// An Objective is what a service promises its clients: the ratio of requests that succeed, and the ratio of those that
// are in time. Ratios are between 0 and 1.
type Objective struct {
	Availability float64
	Within       time.Duration
	Ratio        float64 // of requests that are answered within that time
}

// The default objective.
const (
	defaultAvailability = 0.99
	defaultWithin       = 2500 * time.Millisecond
	defaultRatio        = 0.95
)

// objectivesConfig is the section objectives: of the config file.
type objectivesConfig struct {
	All    objectiveConfig            `yaml:",inline"`
	Routes map[string]objectiveConfig `yaml:"routes"`
}

// An objectiveConfig omits what it inherits from the objective of all routes.
type objectiveConfig struct {
	Availability *float64      `yaml:"availability"`
	Latency      latencyConfig `yaml:"latency"`
}

type latencyConfig struct {
	Within *time.Duration `yaml:"within"`
	Ratio  *float64       `yaml:"ratio"`
}

// Validate checks the ratios.
func (c *objectiveConfig) Validate() error {
	return errors.Join(validateShare("availability", c.Availability, defaultAvailability),
		validateShare("latency.ratio", c.Latency.Ratio, defaultRatio))
}

func validateShare(field string, share *float64, example float64) error {
	if share == nil || *share > 0 && *share < 1 {
		return nil
	}
	return strictyaml.Errorf(field, "%g is not a ratio between 0 and 1; write for example %g", *share, example)
}

// validate checks the section against that of NGINX, which has the routes and buckets.
func (c *objectivesConfig) validate(nginx source.Config) error {
	faults := []error{validateWithin("objectives", c.All.Latency.Within, nginx.LatencyBuckets)}
	var names []string
	for _, route := range nginx.Routes {
		names = append(names, route.Name)
	}
	names = append(names, "other")
	for _, name := range slices.Sorted(maps.Keys(c.Routes)) {
		field := "objectives.routes." + name
		if !slices.Contains(names, name) || len(nginx.Routes) == 0 {
			faults = append(faults, strictyaml.Errorf(field, "nginx.routes has no route %q; %s", name,
				routesHint(nginx.Routes)))
		}
		faults = append(faults, validateWithin(field, c.Routes[name].Latency.Within, nginx.LatencyBuckets))
	}
	return errors.Join(faults...)
}

func routesHint(routes []source.RouteConfig) string {
	if len(routes) == 0 {
		return "define routes there first"
	}
	var names []string
	for _, route := range routes {
		names = append(names, route.Name)
	}
	return "the routes are " + strings.Join(names, ", ") + ", other"
}

// validateWithin checks that a histogram can count the requests within that time.
func validateWithin(field string, within *time.Duration, buckets []float64) error {
	if within == nil || slices.Contains(buckets, within.Seconds()) {
		return nil
	}
	var bounds []string
	for _, bound := range buckets {
		bounds = append(bounds, fmt.Sprintf("%gs", bound))
	}
	return strictyaml.Errorf(field+".latency.within",
		"%gs is not one of nginx.latency_buckets, so the exporter cannot count how many "+
			"requests took no longer; write one of %s", within.Seconds(), strings.Join(bounds, ", "))
}

// objectives returns the objectives by route; that of "" is for all routes together.
func (c *objectivesConfig) objectives(buckets []float64) map[string]Objective {
	all := c.All.apply(Objective{Availability: defaultAvailability, Within: nearestBound(buckets), Ratio: defaultRatio})
	byRoute := map[string]Objective{"": all}
	for name, route := range c.Routes {
		byRoute[name] = route.apply(all)
	}
	return byRoute
}

// apply returns base with the values of c in its place.
func (c *objectiveConfig) apply(base Objective) Objective {
	if c.Availability != nil {
		base.Availability = *c.Availability
	}
	if c.Latency.Within != nil {
		base.Within = *c.Latency.Within
	}
	if c.Latency.Ratio != nil {
		base.Ratio = *c.Latency.Ratio
	}
	return base
}

// nearestBound returns the default time limit, or, if it is not a bound, the first bound above it, or the last.
func nearestBound(buckets []float64) time.Duration {
	if len(buckets) == 0 {
		return defaultWithin
	}
	i, _ := slices.BinarySearch(buckets, defaultWithin.Seconds())
	return time.Duration(buckets[min(i, len(buckets)-1)] * float64(time.Second))
}
