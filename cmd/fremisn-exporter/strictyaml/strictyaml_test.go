package strictyaml

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
)

type inner struct {
	Interval model.Duration `yaml:"interval"`
	Timeout  time.Duration  `yaml:"timeout"`
	Count    int            `yaml:"count"`
	On       bool           `yaml:"on"`
	Targets  []string       `yaml:"targets"`
}

func (i *inner) SetDefaults() { i.Count = 7 }

func (i *inner) Validate() error {
	for n, target := range i.Targets {
		if target == "bad" {
			return &FieldError{fmt.Sprintf("targets[%d]", n), "bad is bad"}
		}
	}
	return nil
}

type embedding struct {
	Method                  string `yaml:"method"`
	config.HTTPClientConfig `yaml:",inline"`
}

type outer struct {
	Name   string                  `yaml:"name"`
	List   []inner                 `yaml:"list"`
	ByName map[string]inner        `yaml:"by_name"`
	HTTP   config.HTTPClientConfig `yaml:"http"`
	Both   embedding               `yaml:"both"`
}

func TestDecode(t *testing.T) {
	var got outer
	_, err := Decode("f.yml", []byte(`
name: x
list:
  - &a {interval: 5s, timeout: 1.5s, on: yes, targets: [p, q]}
  - <<: *a
    count: 2
by_name:
  n: {interval: 1m30s}
http: {basic_auth: {username: u, password: p}}
both: {method: GET, bearer_token: t}
`), &got)
	if err != nil {
		t.Fatal(err)
	}
	want := []inner{
		{Interval: model.Duration(5 * time.Second), Timeout: 1500 * time.Millisecond, Count: 7, On: true,
			Targets: []string{"p", "q"}},
		{Interval: model.Duration(5 * time.Second), Timeout: 1500 * time.Millisecond, Count: 2, On: true,
			Targets: []string{"p", "q"}},
	}
	if diff := cmp.Diff(want, got.List); diff != "" {
		t.Error(diff)
	}
	if got.ByName["n"].Interval != model.Duration(90*time.Second) || got.ByName["n"].Count != 7 {
		t.Errorf("by_name: %+v", got.ByName)
	}
	if got.HTTP.BasicAuth == nil || got.HTTP.BasicAuth.Password != "p" || got.Both.Authorization == nil ||
		got.Both.Authorization.Credentials != "t" || got.Both.Method != "GET" {
		t.Errorf("http: %+v both: %+v", got.HTTP, got.Both)
	}
}

func TestFaults(t *testing.T) {
	for _, c := range []struct{ name, yaml, want string }{
		{"unknown key", "nam: x\n", "f.yml:1: nam: unknown key; did you mean name?"},
		{"unknown key far", "name: x\nzzzzzz: 1\n",
			"f.yml:2: zzzzzz: unknown key; the keys here are: both, by_name, http, list, name"},
		{"twice", "name: x\nname: y\n", "f.yml:2: name: duplicate key, first in line 1; keep one"},
		{"no unit", "list:\n  - interval: 5\n", `f.yml:2: list[0].interval: "5" has no unit; write 5s`},
		{"negative", "list:\n  - interval: -5s\n",
			`f.yml:2: list[0].interval: "-5s" is negative; write a time above zero such as 5s`},
		{"no duration", "list:\n  - interval: soon\n",
			`f.yml:2: list[0].interval: "soon" is not a duration; write for example 500ms, 5s or 1m`},
		{"too long", "list:\n  - interval: 9999999h\n",
			`f.yml:2: list[0].interval: "9999999h" is too long; the longest time is about 290 years`},
		{"fraction", "list:\n  - count: 1.5\n",
			`f.yml:2: list[0].count: "1.5" is not a whole number; write only digits, such as 100`},
		{"no number", "list:\n  - count: many\n",
			`f.yml:2: list[0].count: "many" is not a whole number; write only digits, such as 100`},
		{"no list", "list: 5\n", `f.yml:1: list: got "5", want a list; write [5]`},
		{"no mapping", "list: [5]\n", `f.yml:1: list[0]: got "5", want a mapping (keys with values)`},
		{"list for text", "name: [a]\n", `f.yml:1: name: got a list, want a text`},
		{"validate", "list:\n  - targets:\n      - good\n      - bad\n", `f.yml:4: list[0].targets[1]: bad is bad`},
		{"in map", "by_name:\n  n:\n    count: x\n",
			`f.yml:3: by_name.n.count: "x" is not a whole number; write only digits, such as 100`},
		{"tab", "name: x\nlist:\n\t- count: 1\n", "f.yml:3: a tab in the indentation; YAML allows only spaces"},
		{"syntax", "name: [x\n", "f.yml:1: not YAML: did not find expected ',' or ']'; end the list " +
			"with ], and put commas between its elements"},
		{"syntax in line 1", "name: [}\n", "f.yml:1: not YAML: did not find expected node content; put a " +
			"value that begins with : ] } or , in quotes"},
		{"empty", "", "f.yml: the file is empty; it needs at least one of the sections nginx, nodes, modules, probes"},
		{"comment only", "# nothing\n", "f.yml: the file is empty; it needs at least one of the sections nginx, " +
			"nodes, modules, probes"},
		{"two documents", "name: x\n---\nname: y\n",
			"f.yml: the file holds several documents; remove the line --- between them and all but one"},
		{"self-reading struct", "http:\n  basic_auth:\n    user: u\n",
			"f.yml:3: http.basic_auth.user: unknown key; the keys here are: password, password_file, " +
				"password_ref, username, username_file, username_ref"},
		{"inlined validate", "both: {bearer_token: x, bearer_token_file: y}\n",
			"f.yml:1: both: at most one of bearer_token & bearer_token_file must be configured"},
		{"two faults", "nam: x\nlist:\n  - interval: 5\n",
			"f.yml:1: nam: unknown key; did you mean name?\nf.yml:3: list[0].interval: \"5\" has no " +
				"unit; write 5s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Decode("f.yml", []byte(c.yaml), new(outer))
			if err == nil {
				t.Fatalf("no error, want %s", c.want)
			}
			if err.Error() != c.want {
				t.Errorf("got  %s\nwant %s", err, c.want)
			}
		})
	}
}

func TestAliasesAreBounded(t *testing.T) {
	var b strings.Builder
	b.WriteString("by_name:\n  a0: &a0 {targets: [x, x, x, x, x, x, x, x, x, x]}\n")
	for i := 1; i < 9; i++ {
		fmt.Fprintf(&b, "  a%d: &a%d {targets: [%s]}\n", i, i,
			strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 10), ", "))
	}
	if _, err := Decode("f.yml", []byte(b.String()), new(outer)); err == nil {
		t.Error("a file of nested aliases was taken")
	}
}

func TestSelfReferenceIsBounded(t *testing.T) {
	if _, err := Decode("f.yml", []byte("http: &a {tls_config: *a}\nlist: &l [*l]\n"), new(outer)); err == nil {
		t.Error("a list that holds itself was taken")
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte("list:\n  - &a {interval: 5s}\n  - <<: *a\n"))
	f.Add([]byte("by_name: {a: &a {targets: [*a]}}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := Decode("f.yml", data, new(outer))
		if d == nil || err != nil && err.Error() == "" {
			t.Error("an error that says nothing")
		}
	})
}
