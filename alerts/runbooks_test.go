package alerts

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

var fence = regexp.MustCompile("(?ms)^```(\\w*)\n(.*?)\n```$")

func runbook(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("runbooks/Fremisn" + name + ".md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// A command or a query may go on in the next line, as a shell and PromQL allow.
var (
	continued = regexp.MustCompile(`( \|)?(?: \\)?\n +`)
	indented  = regexp.MustCompile(`\n +`)
)

// blocks are what a runbook gives to paste, by language, with each command and query in one line.
func blocks(t *testing.T, name string) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	for _, m := range fence.FindAllStringSubmatch(runbook(t, name), -1) {
		text := m[2]
		if m[1] == "promql" {
			text = indented.ReplaceAllString(text, " ")
		} else {
			text = continued.ReplaceAllString(text, "$1 ")
		}
		found[m[1]] = append(found[m[1]], text)
	}
	return found
}

// queries are those of the blocks and of the text that says how it ends.
func queries(t *testing.T, name string) []string {
	t.Helper()
	var all []string
	for _, block := range blocks(t, name)["promql"] {
		for line := range strings.Lines(block) {
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
				all = append(all, line)
			}
		}
	}
	_, end, _ := strings.Cut(runbook(t, name), "## How to confirm that it is over\n")
	for _, m := range regexp.MustCompile("`([^`]*[{][^`]*)`").FindAllStringSubmatch(end, -1) {
		all = append(all, m[1])
	}
	return all
}

func TestRunbooks(t *testing.T) {
	files, err := filepath.Glob("runbooks/*.md")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != len(promised) {
		t.Errorf("%d runbooks for %d alerts", len(files), len(promised))
	}
	section := regexp.MustCompile(`(?ms)^## ([\w ]+)\n\n(\S.*?)(?:\n\n## |\n\z)`)
	mentioned := regexp.MustCompile(`\bFremisn([A-Z]\w+)`)
	for _, name := range promised {
		text, err := os.ReadFile("runbooks/Fremisn" + name + ".md")
		if err != nil {
			t.Error(err)
			continue
		}
		if !strings.HasPrefix(string(text), "# Fremisn"+name+"\n") {
			t.Errorf("the runbook of %s has another title", name)
		}
		var sections []string
		for rest := string(text); ; {
			at := section.FindStringSubmatchIndex(rest)
			if at == nil {
				break
			}
			sections = append(sections, rest[at[2]:at[3]])
			rest = rest[at[5]:]
		}
		if !slices.Equal(
			sections,
			[]string{"Meaning", "Impact", "Diagnosis", "Mitigation", "How to confirm that it is over"},
		) {
			t.Errorf("the runbook of %s has the sections %v", name, sections)
		}
		for _, m := range mentioned.FindAllStringSubmatch(string(text), -1) {
			if !slices.Contains(promised, m[1]) {
				t.Errorf("the runbook of %s names %s, which does not exist", name, m[0])
			}
		}
		for language := range blocks(t, name) {
			if language != "sh" && language != "promql" {
				t.Errorf("the runbook of %s has a block of %q", name, language)
			}
		}
	}
}

// TestRunbooksNameTheirPlaces: a runbook leads to the alert's dashboard and to the incidents, asks about one load
// balancer, says how the end is seen, and where commands depend on how it is run, has them for each way.
func TestRunbooksNameTheirPlaces(t *testing.T) {
	boards := map[string]string{}
	for _, r := range rules(t) {
		if r.Alert != "" {
			board, _, _ := strings.Cut(r.Annotations["dashboard_url"], "?")
			boards[strings.TrimPrefix(r.Alert, "Fremisn")] = board
		}
	}
	here := regexp.MustCompile(`systemctl|docker (exec|logs|restart)|kubectl|journalctl|nginx -`)
	where := regexp.MustCompile(`(?m)^# (package|compose|Kubernetes)$`)
	for _, name := range promised {
		text := runbook(t, name)
		if link := boards[name] + "?var-cluster=CLUSTER&var-job=JOB&var-instance=INSTANCE`"; !strings.Contains(
			text,
			"Dashboard: `"+link,
		) {
			t.Errorf("the runbook of %s does not lead to %s", name, link)
		}
		if !strings.Contains(text, "`http://INSTANCE/incidents`") {
			t.Errorf("the runbook of %s does not lead to the incidents", name)
		}
		asked := queries(t, name)
		_, end, _ := strings.Cut(text, "## How to confirm that it is over\n")
		if !strings.Contains(end, "`") {
			t.Errorf("the runbook of %s has no query for its end", name)
		}
		if !slices.ContainsFunc(
			asked,
			func(q string) bool { return strings.Contains(q, `job="JOB",instance="INSTANCE"`) },
		) {
			t.Errorf("the runbook of %s asks about no load balancer: %q", name, asked)
		}
		for _, block := range blocks(t, name)["sh"] {
			var ways []string
			for _, m := range where.FindAllStringSubmatch(block, -1) {
				ways = append(ways, m[1])
			}
			if len(ways) > 0 && !slices.Equal(ways, []string{"package", "compose", "Kubernetes"}) {
				t.Errorf("%s: commands for %v", name, ways)
			}
			if len(ways) == 0 && here.MatchString(block) && !strings.Contains(block, "ssh NODE") {
				t.Errorf("%s: %q is only for some", name, block)
			}
		}
	}
}

// TestRunbookQueries: every query parses and asks for metrics that there are. promtool reads them as rules.
func TestRunbookQueries(t *testing.T) {
	exists := knownMetrics(t)
	type record struct{ Record, Expr string }
	var records []record
	for _, name := range promised {
		for _, query := range queries(t, name) {
			asked := metricsIn(query)
			if len(asked) == 0 {
				t.Errorf("%s: %q asks for no metric", name, query)
			}
			for _, m := range asked {
				if !exists[m] {
					t.Errorf("%s asks for %s, which does not exist", name, m)
				}
			}
			records = append(records, record{"runbook:" + name, query})
		}
	}
	if len(records) < 30 {
		t.Errorf("only %d queries were found", len(records))
	}
	text, err := yaml.Marshal(map[string]any{"groups": []any{map[string]any{"name": "runbooks", "rules": records}}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "runbooks.rules.yml")
	if err := os.WriteFile(file, text, 0o644); err != nil {
		t.Fatal(err)
	}
	command(t, "promtool", "check", "rules", "--lint=none", file)
}

// elsewhere are programs of the hosts that runbooks are read for, which a machine that runs tests need not have.
var elsewhere = strings.Fields("systemctl journalctl ssh ping dmesg docker kubectl")

// TestRunbookCommands: a shell takes every command, its programs exist, and what is searched for in the exporter's
// log is something that it says.
func TestRunbookCommands(t *testing.T) {
	program := regexp.MustCompile(`(?:^|[|;] ?|&& )([a-z][a-z0-9_.-]*)`)
	quoted := regexp.MustCompile(`'[^']*'|"(?:[^"\\\\]|\\\\.)*"`)
	searched := regexp.MustCompile(
		`(?:journalctl -u fremisn-exporter|docker logs fremisn-exporter 2>&1|-c fremisn-exporter) \| grep '([^']*)'`,
	)
	said := sources(t)
	for _, name := range promised {
		for _, block := range blocks(t, name)["sh"] {
			if output, err := exec.Command("bash", "-n", "-c", block).CombinedOutput(); err != nil {
				t.Errorf("%s: bash does not take %q: %s", name, block, output)
			}
			for _, line := range strings.Split(block, "\n") {
				line, _, _ = strings.Cut(line, "#")
				for _, m := range program.FindAllStringSubmatch(quoted.ReplaceAllString(line, `""`), -1) {
					if _, err := exec.LookPath(m[1]); err != nil && m[1] != "fremisn-exporter" && m[1] != "nginx" &&
						!slices.Contains(elsewhere, m[1]) {
						t.Errorf("%s: %s is not a program", name, m[1])
					}
				}
				if m := searched.FindStringSubmatch(line); m != nil && !strings.Contains(said, m[1]) {
					t.Errorf("%s: the exporter never says %q", name, m[1])
				}
				if words := strings.Fields(line); len(words) > 1 && words[0] == "fremisn-exporter" &&
					words[1] != "check" &&
					words[1] != "probe" {
					t.Errorf("%s: %s is not an operator's command", name, words[1])
				}
			}
		}
	}
}
