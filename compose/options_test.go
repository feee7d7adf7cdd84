package compose

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestTableOfOptions holds the table of compose/README against the scripts: what they take, what --help says, and the
// defaults.
func TestTableOfOptions(t *testing.T) {
	table := optionsTable(t)
	if len(table) < 10 {
		t.Errorf("only %d scripts are in the table", len(table))
	}
	lib := read(t, "scripts/lib.sh")
	for script, options := range table {
		text := read(t, "scripts/"+script)
		if strings.Contains(text, "\nstress ") {
			text += lib[strings.Index(lib, "\nstress_options()"):]
		}
		documented := slices.Sorted(maps.Keys(options))
		if takes := optionsTaken(text); !slices.Equal(documented, takes) {
			t.Errorf("%s takes %q, the table has %q", script, takes, documented)
		}
		if help := optionsOf(run(t, nil, "scripts/"+script, "--help")); !slices.Equal(documented, help) {
			t.Errorf("%s --help names %q, the table %q", script, help, documented)
		}
		for option, value := range options {
			set := regexp.MustCompile(`(=|=\(|:-|\$\{)` + regexp.QuoteMeta(value) + `\b`)
			if value != "" && !set.MatchString(text+lib) {
				t.Errorf("%s %s: the default is not %s", script, option, value)
			}
		}
	}
}

// optionsTable returns the options of each script with their defaults, "" for an option that is off.
func optionsTable(t *testing.T) map[string]map[string]string {
	t.Helper()
	_, section, found := strings.Cut(read(t, "README.md"), "\n## Options of the scripts\n")
	section, _, end := strings.Cut(section, "\n\nFrom the old scripts")
	if !found || !end {
		t.Fatal("compose/README has no table of options")
	}
	table, code := map[string]map[string]string{}, regexp.MustCompile("`([^`]+)`")
	var scripts []string
	for _, row := range regexp.MustCompile(`(?m)^\|(.*?)\|(.*?)\|(.*?)\|.*\|$`).FindAllStringSubmatch(section, -1) {
		if names := code.FindAllStringSubmatch(row[1], -1); names != nil {
			scripts = nil
			for _, name := range names {
				scripts = append(scripts, name[1])
				table[name[1]] = map[string]string{}
			}
		}
		options, values := optionsOf(row[2]), regexp.MustCompile(`[/\w.]+`).FindAllString(row[3], -1)
		for i, option := range options {
			for j, script := range scripts {
				table[script][option] = defaultOf(values, max(i, j))
			}
		}
	}
	return table
}

// defaultOf picks the value of the script or option at i where there are several.
func defaultOf(values []string, i int) string {
	value := ""
	if len(values) > 0 {
		value = values[min(i, len(values)-1)]
	}
	if value == "off" || value == "none" {
		return ""
	}
	return value
}

// optionsOf returns the options that a text names, but --help.
func optionsOf(text string) []string {
	var options []string
	for _, match := range regexp.MustCompile(`--[a-z][a-z-]*`).FindAllString(text, -1) {
		if match != "--help" {
			options = append(options, match)
		}
	}
	slices.Sort(options)
	return slices.Compact(options)
}

// optionsTaken returns those that a script's case statement knows.
func optionsTaken(script string) []string {
	arms := regexp.MustCompile(`(?m)^ +(?:-h \| )?--[a-z-]+(?: \| --[a-z-]+)*\)`).FindAllString(script, -1)
	return optionsOf(strings.Join(arms, "\n"))
}
