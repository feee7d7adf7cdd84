package settings

import (
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// keysOf returns the keys of a section down to those whose values are not sections, as paths. In lists they have "[]",
// below any name "NAME".
func keysOf(section reflect.Type, path []string) (keys [][]string) {
	below := func(step string) []string { return append(slices.Clone(path), step) }
	switch section.Kind() {
	case reflect.Pointer:
		return keysOf(section.Elem(), path)
	case reflect.Slice:
		return keysOf(section.Elem(), below("[]"))
	case reflect.Map:
		return keysOf(section.Elem(), below("NAME"))
	case reflect.Struct:
		for i := range section.NumField() {
			field := section.Field(i)
			name, options, _ := strings.Cut(field.Tag.Get("yaml"), ",")
			switch {
			case options == "inline":
				keys = append(keys, keysOf(field.Type, path)...)
			case name != "" && name != "-":
				keys = append(keys, keysOf(field.Type, below(name))...)
			}
		}
	}
	if keys == nil {
		return [][]string{path}
	}
	return keys
}

// configWith is a config that has a value at a path, and nothing else.
func configWith(path []string, value string) string {
	var config any = value
	for _, step := range slices.Backward(path) {
		switch step {
		case "[]":
			config = []any{config}
		case "NAME":
			config = map[string]any{"X-Name": config}
		default:
			config = map[string]any{step: config}
		}
	}
	text, _ := yaml.Marshal(config)
	return string(text)
}

// TestEveryKeyIsShownOrHidden: each key of the config file is in testdata/keys.txt, where somebody has decided whether
// its values are shown on /config. Of what is shown, the secrets of URLs are hidden everywhere.
func TestEveryKeyIsShownOrHidden(t *testing.T) {
	text, err := os.ReadFile("testdata/keys.txt")
	if err != nil {
		t.Fatal(err)
	}
	decided := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		decided[strings.TrimSpace(line)] = true
	}
	for _, path := range keysOf(reflect.TypeFor[fileConfig](), nil) {
		key := "shown  " + strings.Join(path, ".")
		if !strings.Contains(maskText([]byte(configWith(path, "planted-value"))), "planted") {
			key = "hidden " + strings.Join(path, ".")
		}
		if !decided[key] {
			t.Errorf("undecided: %s", key)
		}
		delete(decided, key)
		for _, secret := range []string{"http://planted@host/", "https://user:planted@host/", "http://h/?sig=planted"} {
			if shown := maskText([]byte(configWith(path, secret))); strings.Contains(shown, "planted") {
				t.Errorf("%s is shown as\n%s", strings.Join(path, "."), shown)
			}
		}
	}
	for key := range decided {
		t.Errorf("no such key, or a different one: %s", key)
	}
}
