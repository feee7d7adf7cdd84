package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fremisn/fremisn-exporter/collector/logtest"
)

// keyPaths are the keys of a document, such as "servers[].response.p50". Of objects below one of these paths the keys
// are data.
func keyPaths(v any, path string, data []string, into map[string]bool) {
	switch v := v.(type) {
	case map[string]any:
		for key, child := range v {
			below := strings.TrimPrefix(path+"."+key, ".")
			into[below] = true
			if !slices.Contains(data, below) {
				keyPaths(child, below, data, into)
			}
		}
	case []any:
		for _, child := range v {
			keyPaths(child, path+"[]", data, into)
		}
	}
}

// each puts a path before each of some keys.
func each(path string, keys string) string {
	var list []string
	for _, key := range strings.Fields(keys) {
		list = append(list, path+key)
	}
	return " " + strings.Join(list, " ")
}

const (
	quantileKeys = "count sum p50 p90 p99 max"
	figureKeys   = "requests ok no_live limited errors p50 p95 p99"
)

// TestPastSchemas holds the JSON of each command to the contract: no key is missing, and none is there that nobody has
// said anything about.
func TestPastSchemas(t *testing.T) {
	h := newPastHost(t)
	log, err := os.ReadFile(h.log)
	if err != nil {
		t.Fatal(err)
	}
	h.write(t, "access.log", string(log)+strings.Repeat(`10.0.0.1 - - [24/Nov/2026:12:01:00 +0000] "POST / HTTP/1.1" `+
		`502 5 "-" "curl" rt=0.000 rl=100 bs=300 lr="PASSED" id=01 ua="`+logtest.Group+
		`" us="502" uct="-" uht="-" urt="0.000"`+"\n", 50))
	servers, routes := "servers[]", "routes[]"
	for command, test := range map[string]struct {
		args []string
		keys string
		data []string
	}{
		"analyze": {nil, "from to lines requests servers routes upstreams slowest hours" +
			each("lines.", "parsed malformed too_long without_time") +
			each("requests[].", "route method code outcome count") +
			each(servers+".", "upstream server node attempts share outcomes codes retries response header connect") +
			each(servers+".response.", quantileKeys) + each(servers+".header.", quantileKeys) +
			each(servers+".connect.", quantileKeys) +
			each(routes+".", "route requests outcomes duration sent_bytes") + each(routes+".duration.", quantileKeys) +
			each("upstreams[].", "upstream no_live") +
			each("slowest[].", "time request_id method path code duration attempts") +
			each("slowest[].attempts[].", "server code duration") +
			each("hours[].", "from requests errors p95"),
			[]string{servers + ".outcomes", servers + ".codes", routes + ".outcomes"}},
		"explain": {nil, "from to requests failed incidents unknown" +
			each("incidents[].",
				"from to kind upstream server node route requests sentence remedy request_ids"), nil},
		"whatif": {[]string{"--try", "max_conns=2"},
			"observed model error trusted reason scenarios upstream assumptions" +
				each("observed.", figureKeys) + each("model.", figureKeys) + each("error.", "no_live limited p95") +
				each("scenarios[].", "set utilisation "+figureKeys),
			[]string{"scenarios[].set", "scenarios[].utilisation"}},
		"backfill": {[]string{"-o", filepath.Join(h.dir, "out")}, "dir files from to samples lines" +
			each("lines.", "parsed malformed too_long without_time"), nil},
	} {
		code, stdout, stderr := h.run(t, append([]string{command, "--output", "json"}, test.args...)...)
		var decoded any
		if err := json.Unmarshal([]byte(stdout), &decoded); err != nil || code != exitOK {
			t.Fatal(err, stderr)
		}
		got := map[string]bool{}
		keyPaths(decoded, "", test.data, got)
		want := strings.Fields(test.keys)
		slices.Sort(want)
		if diff := cmp.Diff(want, slices.Sorted(maps.Keys(got))); diff != "" {
			t.Errorf("%s: %s", command, diff)
		}
	}
}

// TestAnalyzeCSV has a head for each table, and below it a row for each server and each route, of the same numbers as
// the JSON.
func TestAnalyzeCSV(t *testing.T) {
	h := newPastHost(t)
	_, stdout, _ := h.run(t, "analyze", "--output", "json")
	var report struct {
		Servers []struct {
			Server   string
			Attempts int
		}
		Routes []struct {
			Route    string
			Requests int
		}
	}
	if err := json.Unmarshal([]byte(stdout), &report); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := h.run(t, "analyze", "--output", "csv")
	reader := csv.NewReader(strings.NewReader(stdout))
	reader.FieldsPerRecord = -1
	rows, err := reader.ReadAll()
	if err != nil || code != exitOK {
		t.Fatal(err, stderr)
	}
	var head []string
	counts := map[string]string{}
	for _, row := range rows {
		if row[0] == "table" {
			head = row
			if head[1] != "name" {
				t.Errorf("head %q", head)
			}
			continue
		}
		if len(row) != len(head) {
			t.Errorf("%d cells below a head of %d: %q", len(row), len(head), row)
		}
		for i, name := range head {
			if name == "attempts" || name == "requests" {
				counts[row[0]+" "+row[1]] = row[i]
			}
		}
	}
	want := map[string]string{}
	for _, s := range report.Servers {
		want["servers "+s.Server] = fmt.Sprint(s.Attempts)
	}
	for _, r := range report.Routes {
		want["routes "+r.Route] = fmt.Sprint(r.Requests)
	}
	if diff := cmp.Diff(want, counts); diff != "" {
		t.Error(diff)
	}
}
