package accesslog

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/fremisn/fremisn-exporter/collector/logtest"
	"github.com/fremisn/fremisn-exporter/collector/source"
)

// A slowReader counts an access log in another way than the counter does, with strings, regular expressions and a map
// of floats, after the contract alone. It knows the reference topology of testTopology.
type slowReader struct {
	format, escape string
	reference      *logtest.Reference
	routes         []source.Route
	counts         map[string]float64
	observed       map[string][]float64
}

var (
	slowVariable = regexp.MustCompile(`\$\{?([a-z0-9_]+)\}?`)
	slowList     = regexp.MustCompile(`^[^ ,]*(?:(?:, | : )[^ ,]*)*`)
	slowJSON     = regexp.MustCompile(`^(?s:[^"\\]|\\.)*`)
	slowTime     = regexp.MustCompile(`^[0-9]{1,9}\.[0-9]{3}$`)
	slowDigits   = regexp.MustCompile(`^[0-9]+$`)
	slowStatus   = regexp.MustCompile(`^[0-9]{3}$`)
	slowTimes    = regexp.MustCompile(`^(\d\d/[A-Z][a-z]{2}/\d{4}:[\d:]{8} ` +
		`[+-]\d{4}|\d{4}-\d\d-\d\dT[\d:]{8}[+-]\d\d:\d\d)$`)
	slowToken   = regexp.MustCompile(`^[^ "]*$`)
	slowName    = regexp.MustCompile(`^([^ "]*|unix:[^"]*)$`)
	slowAddress = regexp.MustCompile(`^(?s:unix:.*|.+:[0-9]+)$`)
)

// values cuts a line into the values of the format's variables, nil if it does not fit.
func (s *slowReader) values(line string) map[string]string {
	found := map[string]string{}
	variables := slowVariable.FindAllStringSubmatchIndex(s.format, -1)
	rest, fits := strings.CutPrefix(line, s.format[:variables[0][0]])
	if !fits {
		return nil
	}
	for i, at := range variables {
		name, end := s.format[at[2]:at[3]], len(s.format)
		if i+1 < len(variables) {
			end = variables[i+1][0]
		}
		literal := s.format[at[1]:end]
		value, fits := s.value(name, literal, rest)
		if !fits || !strings.HasPrefix(rest[len(value):], literal) {
			return nil
		}
		rest = rest[len(value)+len(literal):]
		if before, twice := found[name]; twice && before != value && name != "remote_addr" {
			value = before
		}
		found[name] = value
	}
	if rest != "" {
		return nil
	}
	return found
}

func (s *slowReader) value(name, literal, rest string) (string, bool) {
	switch {
	case name == "time_local" && len(rest) >= 26:
		return rest[:26], true
	case name == "time_iso8601" && len(rest) >= 25:
		return rest[:25], true
	case literal == "":
		return rest, true
	case strings.HasPrefix(name, "upstream_") && name != "upstream_cache_status" &&
		strings.ContainsAny(literal[:1], " ,"):
		return slowList.FindString(rest), true
	case literal[0] == '"' && s.escape == "json":
		return slowJSON.FindString(rest), true
	case literal[0] == '"' && s.escape != "none":
		before, _, found := strings.Cut(rest, `"`)
		return before, found
	}
	before, _, found := strings.Cut(rest, literal)
	return before, found
}

// list splits a list into elements, and returns which of them end their group.
func (s *slowReader) list(value string) (elements []string, ends []bool) {
	for i, group := range strings.Split(strings.TrimSuffix(value, " : "), " : ") {
		_ = i
		for _, element := range strings.Split(group, ", ") {
			elements, ends = append(elements, element), append(ends, false)
		}
		ends[len(ends)-1] = true
	}
	return elements, ends
}

func absent(value string) bool { return value == "" || value == "-" }

// key names a series, in the order of the labels that the caller has.
func slowKey(name string, labels []string) string {
	return name + "\xff" + strings.Join(labels, "\xff")
}

func (s *slowReader) add(n float64, name string, labels ...string) {
	s.counts[slowKey(name, labels)] += n
}

// seriesName writes a key as the text format does: labels by name, le last.
func seriesName(key, suffix string, more ...string) string {
	parts := strings.Split(key, "\xff")
	pairs := []string{`log="access"`}
	for i := 1; i+1 < len(parts); i += 2 {
		pairs = append(pairs, fmt.Sprintf("%s=%s", parts[i], slowQuote(parts[i+1])))
	}
	slices.Sort(pairs)
	return parts[0] + suffix + "{" + strings.Join(append(pairs, more...), ",") + "}"
}

func slowQuote(value string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`).Replace(value) + `"`
}

func (s *slowReader) observe(value, name string, labels ...string) {
	if absent(value) {
		return
	}
	seconds, _ := strconv.ParseFloat(value, 64)
	key := slowKey(name, labels)
	s.observed[key] = append(s.observed[key], seconds)
}

// series are all series with their values.
func (s *slowReader) series() map[string]float64 {
	all := map[string]float64{}
	for key, n := range s.counts {
		all[seriesName(key, "")] += n
	}
	for key, observed := range s.observed {
		slices.Sort(observed)
		sum := 0.0
		for _, seconds := range observed {
			sum += seconds
		}
		all[seriesName(key, "_sum")] = sum
		all[seriesName(key, "_count")] = float64(len(observed))
		all[seriesName(key, "_bucket", `le="+Inf"`)] = float64(len(observed))
		bounds := source.DefaultLatencyBuckets()
		if strings.HasPrefix(key, "nginx_upstream_connect_duration_seconds") {
			bounds = []float64{0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10}
		}
		for _, bound := range bounds {
			n := sort.Search(len(observed), func(i int) bool { return observed[i] > bound })
			all[seriesName(key, "_bucket", fmt.Sprintf(`le="%v"`, bound))] = float64(n)
		}
	}
	return all
}

func (s *slowReader) server(address string) []string {
	upstream, node := "", ""
	for i, known := range []string{"127.0.0.231:4005", "127.0.0.18:4008", "127.0.0.17:4009"} {
		if address == known {
			upstream = "fremisn_backend"
			if i == 0 {
				node = "master"
			}
		}
	}
	return []string{"server", address, "upstream", upstream, "node", node}
}

var slowLists = map[string]*regexp.Regexp{
	"upstream_status": slowStatus, "upstream_response_time": slowTime, "upstream_header_time": slowTime,
	"upstream_connect_time": slowTime, "upstream_bytes_sent": slowDigits, "upstream_bytes_received": slowDigits,
	"upstream_response_length": slowDigits,
}

// reread cuts a line into values so that all of them have their shapes, nil if it cannot.
func (s *slowReader) reread(line string) map[string]string {
	const longest = 4 << 10 // of what the tests make, nothing longer fits only so
	if len(line) > longest {
		return nil
	}
	values := s.reference.Read(line)
	if values == nil {
		return nil
	}
	found := map[string]string{}
	for i, p := range s.reference.Parts {
		found[p.Name] = values[i]
	}
	return found
}

// line counts one line, and reports whether it fits the format.
func (s *slowReader) line(line string) bool {
	v := s.values(line)
	if line == "" || !(v != nil && s.count(v)) && !s.count(s.reread(line)) {
		s.add(1, "fremisn_exporter_log_lines_total", "result", "malformed")
		return false
	}
	s.add(1, "fremisn_exporter_log_lines_total", "result", "parsed")
	return true
}

// check validates the values that are not text, and gives the lists' elements.
func (s *slowReader) check(v map[string]string) (lists map[string][]string, ends []bool, n int, ok bool) {
	if status, has := v["status"]; has && !slowStatus.MatchString(status) {
		return nil, nil, 0, false
	}
	for _, name := range []string{"request_time", "bytes_sent", "body_bytes_sent", "request_length"} {
		want := slowDigits
		if name == "request_time" {
			want = slowTime
		}
		if value := v[name]; !absent(value) && !(want.MatchString(value) && slowFits(value)) {
			return nil, nil, 0, false
		}
	}
	if local, has := v["time_local"]; has && !slowTimeIs("02/Jan/2006:15:04:05 -0700", local) {
		return nil, nil, 0, false
	}
	if iso, has := v["time_iso8601"]; has && !slowTimeIs("2006-01-02T15:04:05-07:00", iso) {
		return nil, nil, 0, false
	}
	for _, name := range []string{"remote_addr", "limit_req_status", "limit_conn_status", "upstream_cache_status"} {
		if !slowToken.MatchString(v[name]) {
			return nil, nil, 0, false
		}
	}
	dash := false
	lists, n = map[string][]string{}, -1
	if address, has := v["upstream_addr"]; has {
		n = 0
		if !absent(address) {
			lists["upstream_addr"], ends = s.list(address)
			n = len(ends)
			for _, element := range lists["upstream_addr"] {
				if len(element) > 255 || !slowName.MatchString(element) {
					return nil, nil, 0, false
				}
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(slowLists)) {
		value, has := v[name]
		if !has || value == "-" {
			dash = dash || has
			continue // one element without a number, or no list
		}
		var elements []string
		var breaks []bool
		if value != "" {
			elements, breaks = s.list(value)
		}
		if n < 0 {
			n, ends = len(elements), breaks
		}
		if len(elements) != n {
			return nil, nil, 0, false
		}
		for _, element := range elements {
			if !absent(element) && !(slowLists[name].MatchString(element) && slowFits(element)) {
				return nil, nil, 0, false
			}
		}
		lists[name] = elements
	}
	return lists, ends, max(n, 0), !dash || n <= 1
}

func slowTimeIs(layout, value string) bool {
	_, err := time.Parse(layout, value)
	return err == nil && slowTimes.MatchString(value)
}

func slowFits(number string) bool {
	whole, _, _ := strings.Cut(number, ".")
	_, err := strconv.ParseInt(whole, 10, 64)
	return err == nil
}

func newSlowReader(f logtest.Format, routes []source.Route) *slowReader {
	return &slowReader{format: f.Text, escape: f.Escape, reference: logtest.NewReference(f.Text, f.Escape),
		routes: routes, counts: map[string]float64{}, observed: map[string][]float64{}}
}

// compare fails the test where the counter and the slow reading differ.
func (s *slowReader) compare(t *testing.T, b *Counter) {
	t.Helper()
	s.add(0, "fremisn_exporter_log_lines_total", "result", "parsed")
	s.add(0, "fremisn_exporter_log_lines_total", "result", "malformed")
	s.add(0, "fremisn_exporter_log_lines_total", "result", "too_long")
	s.add(0, "fremisn_exporter_log_series_dropped_total")
	all, seen := s.series(), map[string]bool{}
	for _, line := range exposed(t, b) {
		if !utf8.ValidString(line) {
			t.Errorf("%q is not UTF-8", line)
		}
		at := strings.LastIndexByte(line, ' ')
		got, err := strconv.ParseFloat(line[at+1:], 64)
		if err != nil {
			t.Fatal(err)
		}
		want, ok := all[line[:at]]
		if !ok {
			t.Errorf("%s is given, the slow reading has no such series", line)
		}
		if difference := got - want; difference > 1e-9*want || -difference > 1e-9*want {
			t.Errorf("%s: got %v, the slow reading has %v", line[:at], got, want)
		}
		seen[line[:at]] = true
	}
	for series, want := range all {
		if !seen[series] {
			t.Errorf("%s is missing, the slow reading has %v", series, want)
		}
	}
}
