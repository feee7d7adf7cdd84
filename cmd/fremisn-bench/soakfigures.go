package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
	"time"
)

// A sample is the exporter at the moment of a scrape.
type sample struct {
	at                              time.Time
	pid                             int
	took                            time.Duration // the scrape
	cpu                             time.Duration // since the process began
	resident, heap                  int           // bytes
	descriptors, goroutines, series int
}

// A figure is one number of a sample.
type figure struct {
	name string
	of   func(sample) float64
	flat float64 // how much more it may be at the end of the calm than at its beginning
}

var soakFigures = []figure{
	{"resident, MiB", func(s sample) float64 { return float64(s.resident) / (1 << 20) }, 8},
	{"heap in use, MiB", func(s sample) float64 { return float64(s.heap) / (1 << 20) }, 8},
	{"descriptors", func(s sample) float64 { return float64(s.descriptors) }, 10},
	{"goroutines", func(s sample) float64 { return float64(s.goroutines) }, 10},
	{"series", func(s sample) float64 { return float64(s.series) }, 100},
}

// report prints all figures, and finds fault with those that grow in the calm.
func (s *soak) report(to io.Writer) {
	out := tabwriter.NewWriter(to, 0, 8, 2, ' ', 0)
	defer out.Flush()
	fmt.Fprintf(out, "SOAK\t%s, %d lines of the access log, %d of the side log, %d of the error log; %d of the side "+
		"log cut off\n", s.length, s.access.written.lines.Load(), s.side.written.lines.Load(),
		s.mistakes.written.lines.Load(),
		s.side.cut)
	fmt.Fprintf(out, "\t%d kills, %d SIGTERM, %d reloads, %d rotations\n", s.kills, s.terms, s.reloads,
		s.rotated.Load())
	took := make([]time.Duration, len(s.samples))
	for i, each := range s.samples {
		took[i] = each.took
	}
	fmt.Fprintf(out, "scrapes\t%d, %s; %d ran into the limit\n", len(took), quantiles(took), s.late)
	fmt.Fprintf(out, "pages\t%d, %s\n", len(s.pages), quantiles(s.pages))
	calm := s.calm()
	fmt.Fprintln(out, "\nFIGURE\tMIN\tMEDIAN\tMAX\tCALM, FIRST QUARTER\tLAST QUARTER")
	for _, f := range soakFigures {
		values := f.values(s.samples)
		fmt.Fprintf(out, "%s\t%.1f\t%.1f\t%.1f\t", f.name, slices.Min(values), median(values), slices.Max(values))
		if len(calm) < 8 {
			fmt.Fprintln(out, "\t")
			continue
		}
		first, last := median(f.values(calm[:len(calm)/4])), median(f.values(calm[len(calm)*3/4:]))
		fmt.Fprintf(out, "%.1f\t%.1f\n", first, last)
		if len(calm) > 100 && last > first*1.2+f.flat {
			s.fault("%s grows from %.1f to %.1f", f.name, first, last)
		}
	}
	if cores := s.cores(); len(cores) > 0 {
		fmt.Fprintf(out, "CPU, %% of a core\t%.1f\t%.1f\t%.1f\n", slices.Min(cores), median(cores), slices.Max(cores))
	}
	s.reportWords(out)
}

// reportWords prints what the exporter warned of and which alerts fired.
func (s *soak) reportWords(out io.Writer) {
	fmt.Fprintln(out)
	for _, text := range slices.Sorted(maps.Keys(s.said)) {
		fmt.Fprintf(out, "said %d times\t%s\n", s.said[text], text)
	}
	alerts, err := s.prometheus.Query(`count by (alertname) (last_over_time(ALERTS{alertstate="firing"}[1d]))`)
	if err != nil {
		s.fault("Prometheus: %v", err)
	}
	for _, a := range alerts {
		fmt.Fprintf(out, "alert\t%s\n", a.Labels["alertname"])
	}
}

func (f figure) values(of []sample) []float64 {
	values := make([]float64, len(of))
	for i, s := range of {
		values[i] = f.of(s)
	}
	return values
}

// calm are the samples of the process that was left alone the longest, without its first tenth.
func (s *soak) calm() []sample {
	var longest []sample
	for first := 0; first < len(s.samples); {
		last := first
		for last < len(s.samples) && s.samples[last].pid == s.samples[first].pid {
			last++
		}
		if last-first > len(longest) {
			longest = s.samples[first:last]
		}
		first = last
	}
	return longest[len(longest)/10:]
}

// cores is the share of a core between each two scrapes, percent.
func (s *soak) cores() (all []float64) {
	for i, now := range s.samples {
		if i > 0 && s.samples[i-1].pid == now.pid {
			before := s.samples[i-1]
			all = append(all, 100*(now.cpu-before.cpu).Seconds()/now.at.Sub(before.at).Seconds())
		}
	}
	return all
}

// quantiles are the median, the 99th percentile and the most.
func quantiles(of []time.Duration) string {
	if len(of) == 0 {
		return "none"
	}
	sorted := slices.Sorted(slices.Values(of))
	return fmt.Sprintf("p50 %s, p99 %s, max %s", sorted[len(sorted)/2].Round(100*time.Microsecond),
		sorted[len(sorted)*99/100].Round(100*time.Microsecond), sorted[len(sorted)-1].Round(100*time.Microsecond))
}
